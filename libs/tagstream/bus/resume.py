"""Where a relay goes on: read from the stream itself, else from a cursor, else from a start.

Owns the rule that decides between them. Publishes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog
from nats.js import JetStreamContext
from nats.js.api import StreamState
from nats.js.errors import NotFoundError

from tagstream.bus.outbox import Cursor, Place

POSITION_HEADER = "Tagstream-Position"
NUMBER_HEADER = "Tagstream-Number"

_STRAY_MAX = 1_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resume:
    """Finds a relay's place in one stream.

    A stream that keeps its messages (`work_queue` false) is the truth about itself: after it lost
    its end, what is missing is published again; new and empty, it is filled from past `start`;
    empty because everything grew old, `cursor` tells. A work queue's last message is usually gone,
    so there the furthest of message and cursor counts, and a repeated job is the price.
    """

    js: JetStreamContext
    stream: str
    ensure: Callable[[], Awaitable[None]]
    cursor: Cursor | None
    work_queue: bool
    start: int

    async def find(self, remembered: Place | None) -> Place:
        """`remembered` is what this relay itself saw accepted, duplicates included."""
        state = await self._state()
        if remembered is not None and state.last_seq < remembered.last_seq:
            _log.warning("stream went back", stream=self.stream, last_seq=state.last_seq)
            remembered = None
        written = await self._last_written(state)
        if written is None or self.work_queue:
            saved = await self._saved(state)
            if written is None or written.is_before(saved):
                written = saved
        if remembered is not None and written.is_before(remembered):
            written = replace(remembered, last_seq=state.last_seq)
        return written

    async def _state(self) -> StreamState:
        try:
            return (await self.js.stream_info(self.stream)).state
        except NotFoundError:
            await self.ensure()
            return (await self.js.stream_info(self.stream)).state

    async def _last_written(self, state: StreamState) -> Place | None:
        """The place in the newest message of ours; others may have written behind it."""
        if not state.messages:
            return None
        lowest = state.last_seq if self.work_queue else state.last_seq - _STRAY_MAX
        for seq in range(state.last_seq, max(lowest, state.first_seq) - 1, -1):
            place = await self._place_at(seq, state.last_seq)
            if place is not None:
                return place
        return None

    async def _place_at(self, seq: int, last_seq: int) -> Place | None:
        try:
            # Not a direct get, which a replica that lags behind may answer.
            message = await self.js.get_msg(self.stream, seq)
        except NotFoundError:
            return None
        headers = message.headers or {}
        try:
            position, number = int(headers[POSITION_HEADER]), int(headers[NUMBER_HEADER])
        except (KeyError, ValueError):
            _log.warning("message in the stream is not ours", stream=self.stream, seq=seq)
            return None
        return Place(position, number, last_seq, whole=False)

    async def _saved(self, state: StreamState) -> Place:
        position = self.start
        if self.cursor is not None and (self.work_queue or state.last_seq > 0):
            position = max(position, await self.cursor.load())
        return Place(position, 0, state.last_seq, whole=True)
