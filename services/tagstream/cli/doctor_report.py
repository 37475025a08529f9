"""What doctor found: one line a check, with the fix. Pure.

Owns the judgement of each figure. Asking the servers is doctor_checks.py's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from tagstream.samples_manager.conditions import ConditionType, Truth
from tagstream.samples_manager.config import State, Status

_SKEW_WARN_S = 1.0
_SKEW_FAIL_S = 30.0
_DISK_WARN_BYTES = 2 * 1024**3
_DISK_FAIL_BYTES = 256 * 1024**2
_LAG_WARN_POSITIONS = 1000
_SAMPLES_BAD = {
    ConditionType.CONFIGURATION_VALID: Truth.FALSE,
    ConditionType.SAMPLES_EXIST: Truth.UNKNOWN,
    ConditionType.IMPORT_IMAGE_ERRORS_EXIST: Truth.TRUE,
}


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is empty when nothing needs fixing."""

    check: str
    level: Level
    text: str
    fix: str = ""

    def line(self) -> str:
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.level:<4}  {self.check}: {self.text}{fix}"

    def to_json(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing failed; warnings are no failure."""
    return all(finding.level is not Level.FAIL for finding in findings)


def judge_clock(server: str, skew_s: float) -> Finding:
    """`skew_s` is the server's clock minus ours."""
    level = _by_size(abs(skew_s), _SKEW_WARN_S, _SKEW_FAIL_S)
    fix = "" if level is Level.OK else "switch on time synchronisation (NTP) on both machines"
    return Finding(f"clock of {server}", level, f"{skew_s:+.2f} s from this machine", fix)


def judge_disk(place: str, free_bytes: int) -> Finding:
    level = _by_size(-free_bytes, -_DISK_WARN_BYTES, -_DISK_FAIL_BYTES)
    fix = "" if level is Level.OK else f"make room on the disk of {place}"
    return Finding("disk", level, f"{free_bytes / 1024**3:.1f} GiB free", fix)


def judge_lag(newest_fact: int, newest_event: int) -> Finding:
    """Positions of the newest fact in Postgres and of the newest event in NATS; 0 means none."""
    behind = newest_fact - newest_event
    if behind < 0:
        return Finding(
            "relay",
            Level.FAIL,
            f"NATS is ahead of Postgres by {-behind} positions",
            "Postgres was restored from an older backup, or the two belong to different stacks",
        )
    if behind == 0:
        return Finding("relay", Level.OK, f"every fact is published, up to position {newest_fact}")
    level = Level.FAIL if behind > _LAG_WARN_POSITIONS else Level.WARN
    fix = "see that a tag-tracker runs (it holds the relay) and reaches NATS"
    return Finding("relay", level, f"{behind} positions behind", fix)


def judge_migrations(applied: Collection[str], known: Collection[str]) -> Finding:
    """File names of the migrations in the database and in this version."""
    missing, newer = sorted(set(known) - set(applied)), sorted(set(applied) - set(known))
    if missing:
        fix = "run tagstream-migrate with the same TAGSTREAM_POSTGRES_URL"
        return Finding("migrations", Level.FAIL, f"{', '.join(missing)} not applied", fix)
    if newer:
        fix = "fine during an upgrade; else install the newer version"
        return Finding("migrations", Level.WARN, f"made by a newer version ({newer[-1]})", fix)
    return Finding("migrations", Level.OK, f"all {len(known)} applied")


def judge_pruner(problem: str) -> Finding:
    """The ImagePruner, when it cannot be followed."""
    fix = "kubectl edit imagepruner cluster"
    return Finding("pruner", Level.WARN, f"the ImagePruner cannot be followed: {problem}", fix)


def judge_prune(started_at: datetime, finished_at: datetime | None, error: str) -> Finding:
    """How the last scheduled run of the pruner ended."""
    began = f"{started_at:%Y-%m-%d %H:%M}"
    if error:
        fix = "mend what it names, or set ignoreInvalidImageReferences in the ImagePruner"
        return Finding("prune", Level.WARN, f"the run of {began} was refused: {error}", fix)
    if finished_at is None:
        return Finding("prune", Level.OK, f"the run of {began} is going on")
    return Finding("prune", Level.OK, f"the run of {began} completed")


def judge_streams(consumers: Mapping[str, int | None]) -> list[Finding]:
    """How many durable consumers each wanted stream has; `None` if there is no such stream."""
    return [_judge_stream(name, count) for name, count in consumers.items()]


def _judge_stream(name: str, consumers: int | None) -> Finding:
    check = f"stream {name}"
    if consumers is None:
        fix = "start the services; the relay makes it and fills it from Postgres"
        return Finding(check, Level.FAIL, "does not exist", fix)
    if consumers == 0:
        fix = "start tag-tracker, importer and trigger-dispatcher; they make their own"
        return Finding(check, Level.WARN, "has no durable consumer", fix)
    return Finding(check, Level.OK, f"{consumers} durable consumers")


def judge_samples(status: Status | None) -> Finding:
    """What the samples' Config says; `None` if there is none yet."""
    if status is None:
        fix = "see logs/samples-manager-0.log in the data directory"
        return Finding("samples", Level.WARN, "have no Config yet", fix)
    for kind, bad in _SAMPLES_BAD.items():
        condition = status.conditions[kind]
        if condition.status is bad:
            fix = "see `tagstream samples list`"
            return Finding("samples", Level.WARN, condition.message or kind.value, fix)
    if status.state == State.REMOVED:
        return Finding("samples", Level.OK, "not installed; `tagstream up --samples` does")
    return Finding("samples", Level.OK, f"{status.state}, library version {status.version}")


def judge_services(ready: Mapping[str, bool]) -> list[Finding]:
    """Whether each replica of a local stack answered that it is ready."""
    return [
        Finding(name, Level.OK, "ready")
        if is_ready
        else Finding(name, Level.FAIL, "not ready", f"see logs/{name}.log in the data directory")
        for name, is_ready in ready.items()
    ]


def _by_size(value: float, warn: float, fail: float) -> Level:
    if value >= fail:
        return Level.FAIL
    return Level.WARN if value >= warn else Level.OK
