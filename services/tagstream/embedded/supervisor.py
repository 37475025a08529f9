"""Keeping child processes running: start in stages, restart what dies, stop in reverse order.

Owns the life of the children. Does not own what they are (stack.py) or how a process is set up
(processes.py).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tagstream.embedded.failures import SetupError
from tagstream.embedded.privileges import RunAs
from tagstream.embedded.processes import (
    child_setup,
    forget_pid,
    last_log_line,
    open_log,
    save_pid,
)
from tagstream.embedded.readiness import Probe, wait_until_ready

_BACK_OFF_FIRST_S = 0.2
_BACK_OFF_MOST_S = 5.0
# A process that ran this long was healthy: its next death starts the back-off anew.
_HEALTHY_AFTER_S = 20.0
# Dying this often before it was ever ready means a wrong set-up, not bad luck.
_HOPELESS_DEATHS = 4

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One child. `environment` is the whole environment, not an addition to ours."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    probe: Probe
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    grace_s: float = 3.0
    run_as: RunAs | None = None
    before_start: Callable[[], None] | None = None


def next_back_off(previous_s: float, ran_s: float) -> float:
    """Seconds to wait before the next start: doubling, from the first step after a good run."""
    if ran_s >= _HEALTHY_AFTER_S or previous_s == 0:
        return _BACK_OFF_FIRST_S
    return min(previous_s * 2, _BACK_OFF_MOST_S)


def explain_exit(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class _Child:
    def __init__(self, spec: ProcessSpec, run_dir: Path, log_dir: Path, announce: Announce) -> None:
        self.spec = spec
        self.hopeless: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._run_dir = run_dir
        self._log_dir = log_dir
        self._announce = announce
        self._process: asyncio.subprocess.Process | None = None
        self._was_ready = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout_s: float) -> None:
        """Returns once the child is ready; keeps it running from then on."""
        self._task = asyncio.create_task(self._keep_running(), name=f"child-{self.spec.name}")
        ready = asyncio.create_task(wait_until_ready(self.spec.name, self._probe, timeout_s))
        waiting: list[asyncio.Future[None] | asyncio.Future[str]] = [ready, self.hopeless]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise SetupError(self._explain(self.hopeless.result()))
            if (error := ready.exception()) is not None:
                raise SetupError(self._explain(str(error))) from error
            self._was_ready = True
        finally:
            ready.cancel()

    async def _probe(self) -> bool:
        return self._process is not None and await self.spec.probe()

    def _explain(self, reason: str) -> str:
        last = last_log_line(self._log_dir, self.spec.name)
        said = f"; it said: {last}" if last else ""
        return f"{reason}{said} (see {self._log_dir / self.spec.name}.log)"

    async def _keep_running(self) -> None:
        back_off_s, deaths = 0.0, 0
        while True:
            started = time.monotonic()
            try:
                reason = explain_exit(await self._run_once())
            except (OSError, subprocess.SubprocessError) as error:
                reason = f"cannot be started: {error}"
            deaths += 1
            if deaths >= _HOPELESS_DEATHS and not self._was_ready and not self.hopeless.done():
                self.hopeless.set_result(f"{self.spec.name} does not start ({reason})")
            back_off_s = next_back_off(back_off_s, time.monotonic() - started)
            self._announce(
                f"{self.spec.name} ended ({reason}), starting it again in {back_off_s:.1f} s"
            )
            await asyncio.sleep(back_off_s)

    async def _run_once(self) -> int:
        spec = self.spec
        if spec.before_start is not None:
            spec.before_start()
        log = open_log(self._log_dir, spec.name)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *spec.argv,
                env=dict(spec.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Away from the terminal: Ctrl-C is for the supervisor, which stops in order.
                start_new_session=True,
                preexec_fn=child_setup(spec.run_as, spec.death_signal),
            )
        finally:
            os.close(log)
        save_pid(self._run_dir, spec.name, self._process.pid)
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end; SIGKILL after its grace."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            _signal(process, self.spec.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.spec.grace_s)
            except TimeoutError:
                _signal(process, signal.SIGKILL)
                await process.wait()
        forget_pid(self._run_dir, self.spec.name)


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return


class Supervisor:
    """Children in the order in which they were started."""

    def __init__(self, run_dir: Path, log_dir: Path, announce: Announce) -> None:
        self._run_dir = run_dir
        self._log_dir = log_dir
        self._announce = announce
        self._stages: dict[int, list[_Child]] = {}
        self._stopping = False

    async def start(self, spec: ProcessSpec, *, stage: int, timeout_s: float = 30.0) -> None:
        """Start one child and wait until it is ready; call it concurrently to start several.

        Children of a higher `stage` are stopped first. Raises `SetupError` if it does not become
        ready.
        """
        if self._stopping:
            raise asyncio.CancelledError
        child = _Child(spec, self._run_dir, self._log_dir, self._announce)
        self._stages.setdefault(stage, []).append(child)
        await child.start(timeout_s)

    async def stop(self) -> None:
        """Stop every child, stage by stage, the last stage first."""
        self._stopping = True
        for stage in sorted(self._stages, reverse=True):
            await asyncio.gather(*(child.stop() for child in self._stages[stage]))
        self._stages.clear()


async def run_to_end(
    name: str, argv: Sequence[str], environment: Mapping[str, str], log_dir: Path, timeout_s: float
) -> None:
    """Run a child that ends by itself. Raises `SetupError` with its last words if it fails."""
    log = open_log(log_dir, name)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=child_setup(None, signal.SIGKILL),
        )
    finally:
        os.close(log)
    try:
        code = await asyncio.wait_for(process.wait(), timeout_s)
    except TimeoutError:
        raise SetupError(f"{name} did not end within {timeout_s:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
    if code != 0:
        last = last_log_line(log_dir, name) or explain_exit(code)
        raise SetupError(f"{name} failed: {last} (see {log_dir / name}.log)")
