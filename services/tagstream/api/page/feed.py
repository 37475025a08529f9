"""One reader of new facts for all browsers that look at the live feed.

It reads only while somebody looks. The last facts are kept in memory, where every browser takes
what is new to it; one that fell far behind reads from the database, a page at a time. Who may see
which fact is the browser's handler's question.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from tagstream.api.page.births import NamespaceBirths
from tagstream.api.page.places import Places
from tagstream.errors import TagstreamError
from tagstream.store.database import Database
from tagstream.store.journal import load_head
from tagstream.store.outbox import JournalSignal, OutboxRow, read_outbox

log = structlog.get_logger()

_PAGE = 200
_KEPT = 1000
_REST_S = 0.1
_RETRY_S = 1.0


class FactFeed:
    """Where browsers join; `run` reads until it is cancelled."""

    def __init__(self, database: Database, render: Callable[[OutboxRow], bytes]) -> None:
        """`render` makes what is sent of a fact; it is the same for all browsers."""
        self.places = Places()
        self.births = NamespaceBirths(database)
        self._database = database
        self._render = render
        self._frames: dict[tuple[int, int], bytes] = {}
        self._signal = JournalSignal(database.url, "facts")
        self._wakers: set[asyncio.Event] = set()
        self._wanted = asyncio.Event()
        # The facts after position `_since`, up to `_seen`; nothing is kept while nobody looks.
        self._recent: deque[OutboxRow] = deque()
        self._since = self._seen = 0

    @property
    def readers(self) -> int:
        """How many browsers look at this moment."""
        return len(self._wakers)

    @contextmanager
    def joined(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be something new."""
        waker = asyncio.Event()
        self._wakers.add(waker)
        self._wanted.set()
        try:
            yield waker
        finally:
            self._wakers.discard(waker)
            if not self._wakers:
                self._wanted.clear()

    async def load_head(self) -> int:
        """The position of the last fact, or of something later."""
        async with self._database.connection() as connection:
            return await load_head(connection)

    async def read_after(self, position: int) -> Sequence[OutboxRow]:
        """The next facts after a position, whole transactions, oldest first."""
        if self._since and position >= self._since:
            return [row for row in self._recent if row.position > position]
        return await read_outbox(self._database, "facts", position, _PAGE)

    def frame_of(self, row: OutboxRow) -> bytes:
        """What is sent of a fact, made once."""
        key = (row.position, row.number)
        frame = self._frames.get(key)
        if frame is None:
            if len(self._frames) >= _KEPT:
                self._frames.clear()
            frame = self._frames[key] = self._render(row)
        return frame

    async def run(self) -> None:
        """Follows the facts while somebody looks; outlives absences of Postgres."""
        try:
            while True:
                await self._wanted.wait()
                try:
                    await self._follow()
                except TagstreamError as error:
                    log.warning("the live feed waits for Postgres", error=str(error))
                    await asyncio.sleep(_RETRY_S)
        finally:
            await self._signal.close()

    async def _follow(self) -> None:
        self._since = self._seen = await self.load_head()
        # What came between a browser's first look and this start is told by nobody else.
        self._wake()
        try:
            while self._wakers:
                await self._read_new()
                # Hundreds of tag moves a second must not mean hundreds of looks.
                await asyncio.sleep(_REST_S)
                await self._signal.wait()
        finally:
            self._since = self._seen = 0
            self._recent.clear()
            self._frames.clear()
            self.births.forget()

    async def _read_new(self) -> None:
        while rows := await read_outbox(self._database, "facts", self._seen, _PAGE):
            self._recent.extend(rows)
            self._seen = rows[-1].position
            self._forget_old()
            self._wake()

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.set()

    def _forget_old(self) -> None:
        """Whole transactions: a reader that stands between two facts of one would miss one."""
        while len(self._recent) > _KEPT:
            self._since = self._recent.popleft().position
        while self._recent and self._recent[0].position == self._since:
            self._recent.popleft()
