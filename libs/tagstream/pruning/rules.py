"""The keep rules of a run and how they are written: as flags, and in an ImagePruner. Pure.

Source: spec/triggers-lookup-pruning.md D1, D13 and E1 (durations as Go writes them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tagstream.errors import InvalidInput

DEFAULT_KEEP_REVISIONS: Final = 3
DEFAULT_KEEP_YOUNGER: Final = timedelta(minutes=60)
DEFAULT_SCHEDULE: Final = "0 0 * * *"

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)", re.ASCII)
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_LONGEST_TEXT = 100
_INT64_MAX = 2**63 - 1
_INT32_MAX = 2**31 - 1
# Later and earlier than anything that is stored.
_NEVER: Final = datetime(9999, 12, 30, tzinfo=UTC)
_EVER: Final = datetime(1, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PruneRules:
    """What a run keeps though nobody uses it, and whether it works around broken references.

    With `all_images` False only images that carry `openshift.io/image.managed: "true"` go. With a
    `namespace` only histories of that one are shortened, its workloads alone count, and no image
    goes. With `over_size_limit` the items of images that are larger than their namespace allows
    (size_limits.py) go, however new they are: neither revisions nor ages keep anything then.
    """

    keep_tag_revisions: int = DEFAULT_KEEP_REVISIONS
    keep_younger_than: timedelta = DEFAULT_KEEP_YOUNGER
    all_images: bool = True
    ignore_invalid_references: bool = False
    namespace: str = ""
    over_size_limit: bool = False

    def threshold(self, started_at: datetime) -> datetime:
        """What is younger (strictly after it) is kept."""
        return _NEVER if self.over_size_limit else started_at - self.keep_younger_than

    def ended_pods_since(self, started_at: datetime) -> datetime:
        """A pod that has ended counts if it is not older than this."""
        return _EVER if self.over_size_limit else self.threshold(started_at)

    def to_json(self) -> dict[str, object]:
        return {
            "keepTagRevisions": self.keep_tag_revisions,
            "keepYoungerThan": format_duration(self.keep_younger_than),
            "allImages": self.all_images,
            "ignoreInvalidImageReferences": self.ignore_invalid_references,
            "namespace": self.namespace,
            "overSizeLimit": self.over_size_limit,
        }


def rules_from_json(stored: Mapping[str, object]) -> PruneRules:
    """The rules of a run, as `to_json` wrote them; an older one wrote no namespace and no limit."""
    revisions = stored["keepTagRevisions"]
    assert isinstance(revisions, int)
    return PruneRules(
        revisions,
        parse_duration("keepYoungerThan", str(stored["keepYoungerThan"])),
        bool(stored["allImages"]),
        bool(stored["ignoreInvalidImageReferences"]),
        str(stored.get("namespace", "")),
        bool(stored.get("overSizeLimit", False)),
    )


def rules_over_size_limit(
    *, namespace: str = "", all_images: bool = True, ignore_invalid_references: bool = False
) -> PruneRules:
    """Rules of a run that looks at sizes alone (D1, D4)."""
    return PruneRules(
        0, timedelta(0), all_images, ignore_invalid_references, namespace, over_size_limit=True
    )


def rules_from_spec(spec: Mapping[str, object]) -> PruneRules:
    """The rules of an ImagePruner; what is unset has its default (D13).

    Raises InvalidInput, naming the field.
    """
    revisions = spec.get("keepTagRevisions")
    return PruneRules(
        keep_tag_revisions=check_revisions(
            "spec.keepTagRevisions",
            revisions if isinstance(revisions, int) else DEFAULT_KEEP_REVISIONS,
        ),
        keep_younger_than=_younger_than(spec),
        ignore_invalid_references=bool(spec.get("ignoreInvalidImageReferences")),
    )


def _younger_than(spec: Mapping[str, object]) -> timedelta:
    """The deprecated field in nanoseconds counts only where the other one is unset."""
    text = spec.get("keepYoungerThanDuration")
    if text is not None:
        return check_age("spec.keepYoungerThanDuration", str(text))
    nanoseconds = spec.get("keepYoungerThan")
    if not isinstance(nanoseconds, int):
        return DEFAULT_KEEP_YOUNGER
    if nanoseconds < 0:
        raise InvalidInput("spec.keepYoungerThan", "must be greater than or equal to 0")
    return timedelta(microseconds=nanoseconds // 1000)


def check_namespace(field: str, name: str) -> str:
    """The name itself. Raises InvalidInput when no namespace can have it."""
    if not _NAMESPACE.fullmatch(name):
        raise InvalidInput(
            field,
            f"{name[:_LONGEST_TEXT]!r} is no namespace; it has at most 63 lower case letters, "
            "digits and '-'",
        )
    return name


def check_revisions(field: str, count: int) -> int:
    """The count itself. Raises InvalidInput when it is negative or no 32-bit number."""
    if not 0 <= count <= _INT32_MAX:
        raise InvalidInput(field, f"must be greater than or equal to 0, not {count}")
    return count


def check_age(field: str, text: str) -> timedelta:
    """A duration that is not negative. Raises InvalidInput, naming the field."""
    age = parse_duration(field, text)
    if age < timedelta(0):
        raise InvalidInput(field, f"must be greater than or equal to 0, not {text}")
    return age


def parse_duration(field: str, text: str) -> timedelta:
    """A duration as Go reads it: `1h30m`, `90s`, `0`; `1d` and a bare `60` are none (E1).

    Below a microsecond it is cut off. Raises InvalidInput, naming the field.
    """
    if len(text) > _LONGEST_TEXT or not _DURATION.fullmatch(text):
        raise InvalidInput(
            field, f"{text[:_LONGEST_TEXT]!r} is no duration; write it like 60m, 1h30m or 90s"
        )
    total = sum(Decimal(n) * _NANOSECONDS[unit] for n, unit in _PART.findall(text))
    if total > _INT64_MAX:
        raise InvalidInput(field, f"{text!r} is too long; the longest is about 292 years")
    age = timedelta(microseconds=int(total) // 1000)
    return -age if text.startswith("-") else age


def format_duration(age: timedelta) -> str:
    """A duration as Go prints it: `1h0m0s`, `24h0m0s`, `10s`, `0s`, `1.5ms`."""
    microseconds = age // timedelta(microseconds=1)
    if microseconds < 0:
        return f"-{format_duration(-age)}"
    if 0 < microseconds < 10**6:
        unit, size = ("ms", 1000) if microseconds >= 1000 else ("µs", 1)
        return f"{_plain(Decimal(microseconds) / size)}{unit}"
    minutes, rest = divmod(microseconds, 60 * 10**6)
    seconds = f"{_plain(Decimal(rest) / 10**6)}s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
