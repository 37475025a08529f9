"""Operating-system processes: starting a child that dies with us, and finding those that did not.

Owns pid files, the check that a pid still means the same process, log files and the set-up of a
child between fork and exec. Does not own when a process is started or restarted (supervisor.py).
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tagstream.embedded.privileges import RunAs, become, load_libc

_PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 8 * 1024 * 1024
_ORPHAN_GRACE_S = 4.0
# PostgreSQL writes what is wrong first and these below it.
_EXPLAINS = re.compile(r"\b(HINT|DETAIL|CONTEXT|STATEMENT):  ")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A pid and when it started, so that a reused number is not taken for the old process."""

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """`None` if there is no such process, or only its corpse."""
    started = _linux_start(pid) if sys.platform.startswith("linux") else _ps_start(pid)
    return ProcessId(pid, started) if started else None


def _linux_start(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The command name may hold spaces and brackets; the fields after it may not (proc(5)).
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def _ps_start(pid: int) -> str:
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def save_pid(run_dir: Path, name: str, pid: int) -> None:
    process = identify(pid)
    if process is not None:
        (run_dir / f"{name}.pid").write_text(f"{process.pid} {process.started}\n", encoding="ascii")


def load_pid(path: Path) -> ProcessId | None:
    """The process that the file means, if it still lives."""
    try:
        pid, _, started = path.read_text(encoding="ascii").strip().partition(" ")
        process = identify(int(pid))
    except (OSError, ValueError):
        return None
    return process if process is not None and process.started == started else None


def forget_pid(run_dir: Path, name: str) -> None:
    (run_dir / f"{name}.pid").unlink(missing_ok=True)


def stop_orphans(run_dir: Path) -> list[str]:
    """End what a killed supervisor left behind; returns the names. Call it while holding the lock.

    Normally there are none: children die with their parent. This is for systems that cannot do
    that, and for the moment in which Postgres is still shutting down.
    """
    alive: dict[Path, ProcessId] = {}
    for path in sorted(run_dir.glob("*.pid")):
        process = load_pid(path)
        if process is None:
            path.unlink(missing_ok=True)
            continue
        alive[path] = process
        # SIGINT is Postgres' fast shutdown; SIGTERM would wait for its clients.
        _send(process, signal.SIGINT if path.stem == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + _ORPHAN_GRACE_S
    for path, process in alive.items():
        while identify(process.pid) == process and time.monotonic() < deadline:
            time.sleep(0.02)
        _send(process, signal.SIGKILL)
        path.unlink(missing_ok=True)
    return [path.stem for path in alive]


def _send(process: ProcessId, number: int) -> None:
    if identify(process.pid) == process:
        os.kill(process.pid, number)


def child_setup(run_as: RunAs | None, death_signal: int) -> Callable[[], None]:
    """What a child does between fork and exec: become `run_as`, and tie its life to ours."""
    libc = load_libc()
    parent = os.getpid()

    def prepare() -> None:
        if run_as is not None:
            if libc is None:
                raise OSError("changing the user of a child is only supported on Linux")
            become(run_as, libc)
        # After the change of user: the kernel forgets the death signal when credentials change.
        if libc is not None:
            _die_with(parent, death_signal, libc)

    return prepare


def _die_with(parent: int, death_signal: int, libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def open_log(log_dir: Path, name: str) -> int:
    """A descriptor that appends to the child's log; a log past the limit is set aside first."""
    path = log_dir / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def last_log_line(log_dir: Path, name: str) -> str:
    """The last telling line, at most 300 characters; empty if nothing was logged."""
    try:
        with (log_dir / f"{name}.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    telling = (line.strip() for line in reversed(lines) if not _EXPLAINS.search(line))
    return next((line[:300] for line in telling if line), "")
