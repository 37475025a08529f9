"""The demo's own stack: `tagstream up` as a child process, on a temporary directory.

Owns that process and that directory, from the start to the last file. The stack's files are read as
any script reads them: `kubeconfig`, `state.json`, `logs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tagstream.demo.failures import DemoFailed

_READY_TIMEOUT_S = 45.0
_STOP_TIMEOUT_S = 15.0
_OWN_SETTINGS = "TAGSTREAM_"


class DemoStack:
    """Running from `start` to the end of `async with`, whatever happens in between."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="tagstream-demo-"))
        self._process: asyncio.subprocess.Process | None = None
        self._complaints: asyncio.Task[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def nats_url(self) -> str:
        """Where an outside program subscribes; holds a password."""
        url = json.loads((self.directory / "state.json").read_text())["nats_url"]
        if not isinstance(url, str):
            raise DemoFailed(f"{self.directory / 'state.json'} has no nats_url")
        return url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def start(self) -> str:
        """The url of the ready line. Raises `DemoFailed` with what the stack said."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "tagstream.cli", "up", "--quiet", "--port", "0"),
            *("--data-dir", str(self.directory)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=own_environment(),
            # Ctrl-C is ours to hear: we stop the stack when we no longer use it.
            start_new_session=True,
        )
        output, complaints = self._process.stdout, self._process.stderr
        assert output is not None
        assert complaints is not None
        self._complaints = asyncio.create_task(complaints.read())
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                line = (await output.readline()).decode()
        except TimeoutError as error:
            raise DemoFailed(f"the stack was not ready within {_READY_TIMEOUT_S:.0f} s") from error
        if not line.startswith("ready "):
            said = (await self._complaints).decode(errors="replace").strip().splitlines()
            # It has closed its pipes and is ending. Who signals a process that has just ended takes
            # its exit status away from asyncio, which then complains on stderr.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await self._process.wait()
            reason = said[-1].removeprefix("tagstream: ") if said else "it said nothing"
            raise DemoFailed(f"the stack did not start: {reason}")
        return line.removeprefix("ready ").strip()

    def save_logs(self) -> Path | None:
        """Copy the logs to a directory that stays; `None` if there are none."""
        if not self.logs.is_dir() or not any(self.logs.iterdir()):
            return None
        kept = Path(tempfile.mkdtemp(prefix="tagstream-demo-logs-"))
        shutil.copytree(self.logs, kept, dirs_exist_ok=True)
        return kept

    async def _stop(self) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            # Its children die with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._complaints is not None:
            self._complaints.cancel()
            await asyncio.gather(self._complaints, return_exceptions=True)


def own_environment() -> dict[str, str]:
    """Ours without the settings of another stack: a demo must not touch somebody's servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)}
