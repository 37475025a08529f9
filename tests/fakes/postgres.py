"""A PostgreSQL server for tests, the same one that `tagstream up` brings, with fsync off.

server = PostgresServer.start(folder)
url = await server.create_database(template="migrated")
server.stop()
"""

from __future__ import annotations

import itertools
import secrets
import signal
import subprocess
import time
from pathlib import Path

import asyncpg

from tagstream.embedded.ports import choose_ports
from tagstream.embedded.postgres import (
    PostgresCluster,
    build_postgres,
    find_postgres,
    make_cluster,
)
from tagstream.embedded.processes import child_setup

_START_TIMEOUT_S = 60.0


class PostgresServer:
    """One server, started in a blocking way so that a session fixture needs no event loop."""

    def __init__(self, cluster: PostgresCluster, log: Path) -> None:
        self.cluster = cluster
        self._log = log
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, folder: Path, *, durable: bool = False) -> PostgresServer:
        """Make a cluster in `folder` and start it; `durable` keeps fsync on."""
        folder.mkdir(parents=True, exist_ok=True)
        password = secrets.token_urlsafe(16)
        cluster = PostgresCluster(folder / "pg", choose_ports([0])[0], password, durable)
        make_cluster(cluster, find_postgres())
        server = cls(cluster, folder / "postgres.log")
        server.resume()
        return server

    @property
    def url(self) -> str:
        """The empty database `tagstream`."""
        return self.cluster.url

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def create_database(self, name: str = "", template: str = "template1") -> str:
        """The URL of a new copy of `template`, to which nobody may be connected meanwhile."""
        name = name or f"test_{next(self._names)}_{secrets.token_hex(4)}"
        await self._maintain(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.cluster.database_url(name)

    async def drop_database(self, url: str) -> None:
        """Drop a database whoever is connected to it."""
        await self._maintain(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    async def _maintain(self, statement: str) -> None:
        connection = await asyncpg.connect(self.cluster.database_url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def resume(self) -> None:
        """Start the server again after `stop` or `kill`, on the same port and data."""
        spec = build_postgres(self.cluster)
        assert spec.before_start is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL did not start: {self._log.read_text()[-2000:]}")
            if self._process is None or self._process.poll() is not None:
                # It refuses while backends of a killed predecessor still hold its shared memory.
                spec.before_start()
                with self._log.open("ab") as log:
                    self._process = subprocess.Popen(
                        spec.argv,
                        env=dict(spec.environment),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        preexec_fn=child_setup(spec.run_as, signal.SIGQUIT),
                    )
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        # Without a process of ours, whatever answers on the port is somebody else.
        if self._process is None or self._process.poll() is not None:
            return False
        asked = [str(find_postgres() / "pg_isready"), "-q", "-h", "127.0.0.1"]
        asked += ["-p", str(self.cluster.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def kill(self) -> None:
        """kill -9, as the out-of-memory killer does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Fast shutdown."""
        self._end(signal.SIGINT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=60)
            self._process = None
