"""Sweeping: removing what is marked, a bounded batch at a time, each in a transaction of its own.

What came to be used since the marking stays: a stream's histories are looked at again under its
lock, workloads that appeared meanwhile are read before the commit, images are looked at again
under theirs. Nothing here depends on a batch before it, so a run may end anywhere and another
one goes on.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tagstream.errors import Conflict
from tagstream.pruning.applying import IMAGES, ITEMS, apply_images, apply_items
from tagstream.pruning.marking import Marked, Progress, Tell, read_new_images, tell_nobody
from tagstream.pruning.rules import PruneRules
from tagstream.store.database import Connection, Database
from tagstream.store.journal import Command, Transaction, load_head, load_oldest, transaction
from tagstream.store.prune import (
    add_removed,
    count_older_transactions,
    load_clock,
    load_removable,
    lock_journal,
    lock_unused,
    next_marked_tags,
)
from tagstream.store.prune_marks import (
    MarkedStream,
    find_new_uses,
    find_watched_uses,
    index_marked_items,
    page_marked_images,
    page_marked_streams,
)
from tagstream.store.streams import load_header

ITEMS_AT_ONCE = 1000
IMAGES_AT_ONCE = 100
_STREAMS_PAGE = 200
_TRIES = 5
_WATCHED_EVERY_S = 1.0
_OLDER_FOR_S = 40.0
_OLDER_POLL_S = 0.02

Fence = Callable[[Connection], Awaitable[None]]


async def no_fence(connection: Connection) -> None:
    """For who holds no lease."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone for good: items of one stream, or images."""

    namespace: str = ""
    stream: str = ""
    items: int = 0
    images: tuple[str, ...] = ()


def note_nothing(removed: Removed) -> None:
    """For runs that only count."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A run that deletes. `fence` raises Conflict in a transaction that came too late; `note` is
    called once what it names is committed."""

    run: str
    actor: str
    cause: str
    rules: PruneRules
    internal_registry: str
    fence: Fence = no_fence
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    tell: Tell = tell_nobody
    note: Callable[[Removed], None] = note_nothing

    def command(self, kind: str, arguments: Mapping[str, object]) -> Command:
        return Command(
            id=str(uuid.uuid4()),
            kind=kind,
            at=self.clock(),
            actor=self.actor,
            cause=self.cause,
            arguments={"run": self.run, **arguments},
        )


class MarksOutdated(Conflict):
    """The journal no longer tells what happened since the marking; mark again."""


class _Meanwhile(Conflict):
    """A workload came to use the stream while its items were being removed."""


class Sweeper:
    """Removes what one marking found, in the session that holds the marks."""

    def __init__(self, session: Database, sweep: Sweep, marked: Marked) -> None:
        self._session = session
        self._sweep = sweep
        self._marked = marked
        self._read_to = marked.position
        self._watched_at = marked.marked_at
        self._watched_next = 0.0

    async def run(self) -> None:
        """Shortens histories, then removes images. Raises MarksOutdated, Conflict (the lease is
        lost) or Unavailable; what was removed until then stays removed."""
        async with self._session.connection() as connection:
            await index_marked_items(connection)
        await self._shorten_all()
        if self._marked.counts.images:
            await self._let_older_end()
            await self._remove_all_images()

    async def _shorten_all(self) -> None:
        done, after = 0, 0
        while True:
            async with self._session.connection() as connection:
                page = await page_marked_streams(connection, after, _STREAMS_PAGE)
            if not page:
                return
            for marked in page:
                await self._shorten(marked)
                done += 1
                self._sweep.tell(Progress("shortening", done, self._marked.counts.streams))
            after = page[-1].place

    async def _shorten(self, marked: MarkedStream) -> None:
        last, removed = "", 0
        while True:
            async with self._session.connection() as connection:
                tags = await next_marked_tags(connection, marked.uid, last, ITEMS_AT_ONCE)
            if not tags:
                break
            removed += await self._shorten_tags(marked, tags, is_first=not removed)
            last = tags[-1]
        if removed:
            self._sweep.note(Removed(marked.namespace, marked.name, removed))

    async def _shorten_tags(self, marked: MarkedStream, tags: list[str], is_first: bool) -> int:
        """How many items went. A stream that workloads keep coming to is left for the next run."""
        for _ in range(_TRIES):
            await self._catch_up()
            try:
                return await self._try_shorten(marked, tags, is_first)
            except _Meanwhile:
                continue
        return 0

    async def _try_shorten(self, marked: MarkedStream, tags: list[str], is_first: bool) -> int:
        sweep = self._sweep
        async with transaction(self._session, sweep.command(ITEMS, {})) as tx:
            await sweep.fence(tx.connection)
            stream = await load_header(tx.connection, marked.namespace, marked.name, lock=True)
            if stream is None or stream.uid != marked.uid:
                return 0
            items = await load_removable(tx.connection, stream.uid, tags, self._marked.items)
            if not items:
                return 0
            gone = [(item.tag, item.seq) for item in items]
            tx.say({"namespace": stream.namespace, "stream": stream.name, "items": gone})
            await apply_items(tx, stream, items, sweep.internal_registry)
            await add_removed(tx.connection, sweep.run, streams=int(is_first), items=len(items))
            await self._require_unused(tx, marked)
        return len(items)

    async def _require_unused(self, tx: Transaction, marked: MarkedStream) -> None:
        """The journal stays locked from here to the commit, so nothing can come after this."""
        head = await lock_journal(tx.connection)
        if not await find_new_uses(tx.connection, self._marked.users, self._read_to, head):
            return
        if (marked.namespace, marked.name) in await read_new_images(tx.connection):
            raise _Meanwhile(f"{marked.namespace}/{marked.name} came to be used")

    async def _catch_up(self) -> None:
        """Reads what workloads came to name since the marking."""
        async with self._session.connection() as connection, connection.transaction():
            if await load_oldest(connection) > self._read_to:
                raise MarksOutdated("the journal was trimmed during the run")
            head = await load_head(connection)
            is_new = await find_new_uses(connection, self._marked.users, self._read_to, head)
            is_new |= await self._find_watched(connection)
            if is_new:
                await read_new_images(connection)
        self._read_to = head

    async def _find_watched(self, connection: Connection) -> bool:
        """Of another cluster we know what the dispatcher has seen; a second may pass."""
        if time.monotonic() < self._watched_next:
            return False
        self._watched_next = time.monotonic() + _WATCHED_EVERY_S
        since, self._watched_at = self._watched_at, await load_clock(connection)
        return await find_watched_uses(connection, self._marked.users, since)

    async def _let_older_end(self) -> None:
        """Waits for transactions that began while a history still showed an item that is gone."""
        async with self._session.connection() as connection:
            moment = await load_clock(connection)
            until = time.monotonic() + _OLDER_FOR_S
            while await count_older_transactions(connection, moment):
                if time.monotonic() > until:
                    raise Conflict(
                        "a transaction has been open for long; images are left for the next run"
                    )
                await asyncio.sleep(_OLDER_POLL_S)

    async def _remove_all_images(self) -> None:
        done, after = 0, ""
        while True:
            async with self._session.connection() as connection:
                digests = await page_marked_images(connection, after, IMAGES_AT_ONCE)
            if not digests:
                return
            await self._remove_images(digests)
            done += len(digests)
            self._sweep.tell(Progress("removing images", done, self._marked.counts.images))
            after = digests[-1]

    async def _remove_images(self, digests: list[str]) -> None:
        for attempt in range(_TRIES):
            try:
                gone = await self._try_remove(digests)
            except Conflict:
                # Two who lock images in another order: one of them has to try again.
                if attempt == _TRIES - 1:
                    raise
            else:
                self._sweep.note(Removed(images=tuple(gone)))
                return

    async def _try_remove(self, digests: list[str]) -> list[str]:
        sweep = self._sweep
        async with transaction(self._session, sweep.command(IMAGES, {})) as tx:
            await sweep.fence(tx.connection)
            gone = await lock_unused(
                tx.connection, digests, self._marked.items.threshold, sweep.rules.all_images
            )
            names = [image.digest for image in gone]
            if gone:
                tx.say({"images": names})
                await apply_images(tx, gone)
                await add_removed(tx.connection, sweep.run, images=len(gone))
        return names
