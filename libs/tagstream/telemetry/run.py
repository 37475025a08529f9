"""How a service's process runs: event loop, signals, exit code.

Owns nothing of what the service does. SIGTERM and SIGINT ask it to stop; the second one ends the
process at once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from tagstream.errors import TagstreamError

EXIT_FAILED = 1
EXIT_FORCED = 130
_SETTINGS_PREFIX = "TAGSTREAM_"


class Stop:
    """The wish that the service ends; once asked, it stays."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Whether the service should end."""
        return self.event.is_set()

    def request(self) -> None:
        """Ask the service to end; asking again changes nothing."""
        self.event.set()

    async def wait(self) -> None:
        """Return once the service should end."""
        await self.event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Wait that long or until the service should end; True if it should end."""
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return False
        return True


def settle_heap() -> None:
    """Tell the garbage collector that what exists now stays: modules, models, schemas.

    Without it each full collection walks them all again, which stops an api under load for some
    fifty milliseconds every second or so. To be called when a service has loaded what it keeps.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)


def run_service(main: Callable[[Stop], Awaitable[None]]) -> int:
    """Run `main`, which reads the service's `Settings` first, and give the exit code.

    A known error (bad settings, a server that is away, a port in use) is told in one line on
    stderr and gives 1; anything else is a bug and leaves with its traceback.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(main))
    except TagstreamError as error:
        return _fail(str(error))
    except ValueError as error:
        described = _describe_settings_error(error)
        if described is None:
            raise
        return _fail(described)
    return 0


async def _run(main: Callable[[Stop], Awaitable[None]]) -> None:
    settle_heap()
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    try:
        await main(stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _on_signal(stop: Stop) -> None:
    if stop.requested:
        os._exit(EXIT_FORCED)
    stop.request()


def _describe_settings_error(error: ValueError) -> str | None:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return None
    # Only name and reason: the refused input may be a secret.
    found = [
        f"{_SETTINGS_PREFIX}{'_'.join(map(str, detail['loc'])).upper()}: {detail['msg']}"
        for detail in error.errors(include_input=False, include_url=False)
    ]
    return "wrong settings: " + "; ".join(found)


def _fail(message: str) -> int:
    one_line = " ".join(message.split())
    print(f"error: {one_line}", file=sys.stderr, flush=True)
    return EXIT_FAILED
