"""A whole stack for one run: started as `tagstream up`, measured, and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.https import Server
from tagstream.embedded.certificates import Pki
from tagstream.embedded.datadir import DataDir

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Stack:
    """A running stack. `start_s` is how long it took until its ready line."""

    directory: DataDir
    process: asyncio.subprocess.Process
    url: str
    start_s: float

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def state(self) -> dict[str, str]:
        """Addresses of Postgres and NATS, as the stack wrote them down."""
        return dict(json.loads(self.directory.state_file.read_text()))

    @property
    def pki(self) -> Pki:
        return Pki(self.directory.pki)

    def server(self, token: str = "") -> Server:
        """The api as cluster-admin (client certificate), or as the owner of `token`."""
        tls = ssl.create_default_context(cafile=str(self.pki.ca_certificate))
        if not token:
            tls.load_cert_chain(self.pki.admin_certificate, self.pki.admin_key)
        host, _, port = self.url.removeprefix("https://").rpartition(":")
        return Server(host, int(port), tls, token)

    async def stop(self) -> float:
        """Seconds until everything has ended."""
        began = time.perf_counter()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        return time.perf_counter() - began


async def start_stack(folder: Path, *arguments: str, **settings: str) -> Stack:
    """Starts a stack on `folder`; `settings` are environment variables.

    Raises RuntimeError, with its last words, when it does not start.
    """
    argv = [sys.executable, "-P", "-m", "tagstream.cli", "up", "--quiet", "--port", "0"]
    argv += ["--data-dir", str(folder), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAGSTREAM_")}
    environment |= settings
    began = time.perf_counter()
    log = await asyncio.to_thread(open, folder.with_suffix(".log"), "ab")
    with log:
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
    except TimeoutError:
        line = "no ready line in time"
    if not line.startswith("ready "):
        if process.returncode is None:
            process.terminate()
            await process.wait()
        words = folder.with_suffix(".log").read_text()[-2000:]
        raise RuntimeError(f"the stack did not start: {line.strip()} {words}")
    started_s = time.perf_counter() - began
    return Stack(DataDir(folder), process, line.split()[1], started_s)
