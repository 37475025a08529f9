"""The data directory of a stack: where each file is, who may use it, one stack at a time.

Owns the layout below DIR, its permissions and the lock. Does not own what is in the files.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tagstream.embedded.failures import SetupError


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths below DIR. `path` is absolute."""

    path: Path

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def kubeconfig(self) -> Path:
        """Cluster-admin, for people; scripts rely on this path."""
        return self.path / "kubeconfig"

    @property
    def dispatcher_kubeconfig(self) -> Path:
        return self.path / "dispatcher.kubeconfig"

    @property
    def samples_kubeconfig(self) -> Path:
        return self.path / "samples.kubeconfig"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """Pid files of the children."""
        return self.path / "run"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def nats(self) -> Path:
        return self.path / "nats"


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/tagstream`, else `~/.local/share/tagstream` (XDG base directories)."""
    data_home = environment.get("XDG_DATA_HOME", "")
    # The XDG specification says that a relative path is invalid and must be ignored.
    if os.path.isabs(data_home):
        return Path(data_home) / "tagstream"
    home = environment.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(home) / ".local" / "share" / "tagstream"


def open_data_dir(path: Path) -> DataDir:
    """Make DIR and its private folders where missing; check that this user may use them.

    Raises `SetupError` if DIR is a file, belongs to somebody else or cannot be written.
    """
    directory = DataDir(path.expanduser().absolute())
    try:
        directory.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(directory.path)
        # As root, Postgres runs as another user who has to pass through DIR, not list it.
        directory.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (directory.pki, directory.logs, directory.run, directory.nats):
            folder.mkdir(exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=directory.path):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise SetupError(
            f"data directory {directory.path} is not a directory; name another one with --data-dir"
        ) from error
    except OSError as error:
        raise SetupError(
            f"data directory {directory.path} cannot be written ({error.strerror}); "
            "name another one with --data-dir"
        ) from error
    return directory


def _check_owner(path: Path) -> None:
    info = path.stat()
    if os.geteuid() in (0, info.st_uid):
        return
    try:
        owner = pwd.getpwuid(info.st_uid).pw_name
    except KeyError:
        owner = f"user id {info.st_uid}"
    raise SetupError(
        f"data directory {path} belongs to {owner}; "
        f"run as {owner} or name another one with --data-dir"
    )


class DataDirLock:
    """Held while a stack uses DIR; the kernel releases it when the holder dies, however it dies."""

    def __init__(self, directory: DataDir) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises `SetupError` naming the process that holds it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._directory.lock_file, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise SetupError(
                f"data directory {self._directory.path} is in use by another stack "
                f"(process {holder}); stop that one or name another with --data-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(directory: DataDir) -> int | None:
    """The process id of the running stack, or `None` if none runs on DIR."""
    try:
        with directory.lock_file.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read(32).strip()
                return int(text) if text.isdigit() else 0
    except OSError:
        return None
    return None


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` atomically with a file that only its owner can read (0600)."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, stat.S_IRUSR | stat.S_IWUSR)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
