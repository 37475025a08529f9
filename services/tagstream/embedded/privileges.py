"""Running one child as an unprivileged user when the stack itself runs as root.

PostgreSQL refuses to run as root. The wheels' own answer is to add a system user and to open every
folder above the data (`/root` included) to everybody. Ours changes nothing on the machine: the
child becomes an existing user and, only if a folder above bars that user, keeps the one capability
to pass through folders. Owns the choice of the user and the system calls; Linux only, elsewhere
root gets a sentence.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tagstream.embedded.failures import SetupError

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

# The first that exists; after the first start the owner of the data decides.
_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user a child becomes; `capability` is the one it keeps, or `None`."""

    uid: int
    gid: int
    capability: int | None = None


def choose_run_as(data: Path, must_reach: Iterable[Path]) -> RunAs | None:
    """Who runs the server of `data`: an unprivileged user, or `None` for ourselves unless root.

    `must_reach` are the paths that the server opens besides its data. Raises `SetupError` if root
    cannot become anybody here.
    """
    if os.geteuid() != 0:
        return None
    user = _owner_or_candidate(data)
    paths = [data.parent, *must_reach]
    if all(_can_enter(path, user.pw_uid, user.pw_gid) for path in paths):
        return RunAs(user.pw_uid, user.pw_gid)
    return RunAs(user.pw_uid, user.pw_gid, _search_capability(paths))


def _owner_or_candidate(data: Path) -> pwd.struct_passwd:
    if data.exists() and data.stat().st_uid != 0:
        try:
            return pwd.getpwuid(data.stat().st_uid)
        except KeyError as error:
            raise SetupError(
                f"{data} belongs to user id {data.stat().st_uid}, which has no account here; "
                "chown it to an existing user or run as an ordinary user"
            ) from error
    for name in _CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SetupError(
        "PostgreSQL does not run as root and there is no user 'postgres' or 'nobody'; "
        "run tagstream as an ordinary user"
    )


def _can_enter(path: Path, uid: int, gid: int) -> bool:
    for folder in (path, *path.parents):
        info = folder.stat()
        bit = 0o100 if info.st_uid == uid else 0o010 if info.st_gid == gid else 0o001
        if not info.st_mode & bit:
            return False
    return True


def _search_capability(paths: Iterable[Path]) -> int:
    permitted = _permitted_capabilities()
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if permitted >> capability & 1:
            return capability
    places = " and ".join(str(path) for path in paths)
    raise SetupError(
        f"PostgreSQL does not run as root and an unprivileged user cannot reach {places}; "
        "name a --data-dir outside of private folders or run as an ordinary user"
    )


def _permitted_capabilities() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def become(run_as: RunAs, libc: ctypes.CDLL) -> None:
    """Give up root for good; called in the child between fork and exec."""
    if run_as.capability is not None:
        _call(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl")
    os.setgroups([])
    os.setgid(run_as.gid)
    os.setuid(run_as.uid)
    if run_as.capability is not None:
        _keep_only(run_as.capability, libc)


def _keep_only(capability: int, libc: ctypes.CDLL) -> None:
    # Version 3 takes two sets of 32 capabilities; ours are in the first.
    bit = 1 << capability
    sets = (_Sets * 2)(_Sets(bit, bit, bit), _Sets(0, 0, 0))
    header = _Header(_LINUX_CAPABILITY_VERSION_3, 0)
    _call(libc.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")
    # Only an ambient capability survives the exec of a plain binary by an ordinary user.
    _call(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl")


def _call(result: int, name: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")


def load_libc() -> ctypes.CDLL | None:
    """The C library of this process, loaded before the fork; `None` where prctl does not exist."""
    if not sys.platform.startswith("linux"):
        return None
    return ctypes.CDLL(None, use_errno=True)
