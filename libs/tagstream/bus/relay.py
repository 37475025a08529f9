"""The single publisher: from the outbox to one stream, in commit order, each message once.

Owns the loop. Leadership is the caller's (`fence`), the messages are the outbox's. Two guards
hold without a clock: every batch names the sequence it expects to follow and goes in whole or not
at all, so a relay that was frozen is refused once another has published; and where to go on is
read from the stream itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog
from nats.aio.client import Client

from tagstream.bus.cancellation import raise_if_cancelled
from tagstream.bus.outbox import Cursor, Outbox, OutboxMessage, Place
from tagstream.bus.publish import BATCH_MAX, Failure, Sent, publish_run
from tagstream.bus.resume import Resume

_RETRY_DELAY_MAX_S = 2.0
_SINGLES_MAX = 8
_WINDOW_GROWTH = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """`batch` messages go out together at most, up to the server's 1,000; `idle_s` is the longest
    wait for news, which also bounds how long a deposed relay takes to notice.
    """

    batch: int = 500
    read_limit: int = 1000
    publish_timeout_s: float = 5.0
    idle_s: float = 2.0
    save_every_s: float = 5.0


async def _nothing_to_ensure() -> None:
    """The stream is somebody else's business."""


class Relay:
    """Publishes what the outbox holds, from wherever the stream is.

    `fence` answers whether this relay is still the one; it is asked before every batch. A work
    queue needs `cursor` (saved after every batch); a stream that keeps its messages uses it only
    when it is empty of old age. `start` is the position a new stream is filled from, exclusive.
    `on_published` counts messages, `on_disturbed` resumptions by cause (a `Failure`'s name, or the
    class of an error).
    """

    def __init__(
        self,
        nc: Client,
        stream: str,
        outbox: Outbox,
        fence: Callable[[], Awaitable[bool]],
        *,
        cursor: Cursor | None = None,
        work_queue: bool = False,
        start: int = 0,
        ensure: Callable[[], Awaitable[None]] = _nothing_to_ensure,
        on_published: Callable[[int], None] | None = None,
        on_disturbed: Callable[[str], None] | None = None,
        settings: RelaySettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
    ) -> None:
        if work_queue and cursor is None:
            raise ValueError("a work queue forgets its messages: give the relay a cursor")
        self._settings = settings or RelaySettings()
        self._nc, self._stream = nc, stream
        self._outbox, self._fence, self._cursor = outbox, fence, cursor
        self._on_published, self._on_disturbed = on_published, on_disturbed
        self._clock, self._rand = clock, rand
        self._resume = Resume(nc.jetstream(), stream, ensure, cursor, work_queue, start)
        self._save_every_s = 0.0 if work_queue else self._settings.save_every_s
        self._place: Place | None = None
        self._remembered: Place | None = None
        self._window = 1
        self._failures = 0
        self._saved_at = clock()
        self._problem: str | None = "not started"

    def healthy(self) -> str | None:
        """Why nothing is being published, or `None` when all is well."""
        if not self._nc.is_connected:
            return f"relay of {self._stream}: not connected to NATS"
        return f"relay of {self._stream}: {self._problem}" if self._problem else None

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set or `fence` says no. May be called again afterwards."""
        self._place = self._remembered = None
        self._window = 1
        try:
            while not stop.is_set():
                raise_if_cancelled()
                try:
                    if not await self._step(stop):
                        _log.info("relay deposed", stream=self._stream)
                        return
                except Exception as error:
                    # Postgres or NATS is away, or worse: it is seen in readiness, and tried again.
                    cause = type(error).__name__
                    await self._disturbed(cause, f"{cause}: {error}", stop)
        finally:
            self._problem = "not running"

    async def _step(self, stop: asyncio.Event) -> bool:
        """One batch, or one wait. False when this relay is no longer the one."""
        if self._place is None:
            self._place = await self._resume.find(self._remembered)
        place = self._place
        batch = await self._outbox.read(place.read_after, self._settings.read_limit)
        fresh = [message for message in batch if place.is_behind(message)]
        if fresh:
            return await self._fence() and await self._publish(place, fresh, stop)
        self._problem = None
        if place.whole:
            await _first_of(stop, self._outbox.wait(self._settings.idle_s))
        else:
            self._place = replace(place, whole=True)
        return True

    async def _publish(self, place: Place, fresh: list[OutboxMessage], stop: asyncio.Event) -> bool:
        done = 0
        while done < len(fresh):
            # A batch costs some 4 ms whatever its size, a single publish 0.3 ms.
            size = self._window if len(fresh) - done > _SINGLES_MAX else 1
            sent = await publish_run(
                self._nc,
                self._stream,
                fresh[done : done + size],
                place.last_seq,
                timeout_s=self._settings.publish_timeout_s,
            )
            if sent.failure is Failure.DUPLICATE:
                # One by one, where a duplicate is told apart from the others and passed over.
                self._window = 1
                continue
            if sent.failure is not None:
                await self._disturbed(sent.failure.name, f"{sent.failure}: {sent.detail}", stop)
                return True
            done += sent.accepted
            place = self._accept(fresh, done, sent, place)
        self._problem = None
        return await self._save(place)

    def _accept(self, fresh: list[OutboxMessage], done: int, sent: Sent, before: Place) -> Place:
        place = _place_after(fresh, done, sent.last_seq)
        self._place = self._remembered = place
        self._failures = 0
        if sent.last_seq > before.last_seq:
            self._window = min(self._settings.batch, BATCH_MAX, self._window * _WINDOW_GROWTH)
        if self._on_published is not None:
            self._on_published(sent.accepted)
        return place

    async def _disturbed(self, cause: str, problem: str, stop: asyncio.Event) -> None:
        self._place, self._window = None, 1
        self._problem = problem
        _log.warning("relay disturbed", stream=self._stream, problem=problem)
        if self._on_disturbed is not None:
            self._on_disturbed(cause)
        self._failures += 1
        delay_s = min(_RETRY_DELAY_MAX_S, 0.025 * 2.0 ** min(self._failures, 10))
        await _first_of(stop, asyncio.sleep(delay_s * (1 - self._rand() / 2)))

    async def _save(self, place: Place) -> bool:
        now = self._clock()
        if self._cursor is None or now - self._saved_at < self._save_every_s:
            return True
        self._saved_at = now
        return await self._cursor.save(place.position)


def _place_after(fresh: list[OutboxMessage], done: int, last_seq: int) -> Place:
    """`fresh` ends with a whole position, so only a cut inside it can be half of one."""
    last = fresh[done - 1]
    whole = done == len(fresh) or fresh[done].position != last.position
    return Place(last.position, last.number, last_seq, whole)


async def _first_of(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Do `work`, but no longer than until `stop`."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, stopped):
            task.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)
