"""One reader of the journal for all watchers of this process.

It reads only while somebody watches. Each change is shaped once and handed to every subscription
it concerns; a subscription that starts in the past reads its backlog from the journal first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

import structlog

from tagstream.api.watch.events import WatchEvent
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError, expired
from tagstream.errors import Unavailable
from tagstream.store.database import Database
from tagstream.store.journal import RecordedChange, load_head, load_oldest_watchable, read_changes
from tagstream.store.outbox import JournalSignal

log = structlog.get_logger()

_PAGE = 500
# What a watcher may leave unread before it is told to start again.
_MAX_PENDING = 20_000
_IDLE_S = 15.0
_RETRY_S = 0.5

Shaper = Callable[[RecordedChange], Awaitable[WatchEvent]]


async def shape_body(recorded: RecordedChange) -> WatchEvent:
    """The event of a change that was journalled whole."""
    body: JsonObject = dict(recorded.change.body or {})
    body["metadata"] = {**body["metadata"], "resourceVersion": str(recorded.position)}
    return WatchEvent(recorded.position, recorded.change.type, body)


class JournalSubscription:
    """One open watch. See events.Subscription."""

    def __init__(
        self, hub: JournalHub, key: tuple[str, str], namespace: str, name: str, after: int
    ) -> None:
        self.key = key
        self.position = after
        self._hub = hub
        self._namespace = namespace
        self._name = name
        self._pending: list[WatchEvent] = []
        self._wake = asyncio.Event()
        self._error: ApiError | None = None
        self._closed = False

    def concerns(self, recorded: RecordedChange) -> bool:
        change = recorded.change
        return (
            (change.group, change.resource) == self.key
            and (not self._namespace or change.namespace == self._namespace)
            and (not self._name or change.name == self._name)
        )

    def push(self, event: WatchEvent) -> None:
        if len(self._pending) >= _MAX_PENDING:
            self.fail(expired("the watcher fell too far behind; list again"))
            return
        self._pending.append(event)
        self._wake.set()

    def wake(self) -> None:
        """Lets the watch look around, for a bookmark that is due."""
        self._wake.set()

    def fail(self, error: ApiError) -> None:
        self._error = error
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._hub.remove(self)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[list[WatchEvent]]:
        async for batch in self._hub.backlog(self):
            self.position = batch[-1].position if batch else self.position
            yield batch
        while not self._closed:
            await self._wake.wait()
            if self._error is not None:
                raise self._error
            batch, self._pending = self._pending, []
            self._wake.clear()
            batch = [event for event in batch if event.position > self.position]
            self.position = max(self.position, batch[-1].position if batch else self._hub.seen)
            yield batch


class JournalHub:
    """Where watches are opened; `run` reads the journal until it is cancelled.

    `taken` is the change that is being handed out, `seen` the last one that everybody has.
    """

    def __init__(self, database: Database, shapers: Mapping[tuple[str, str], Shaper]) -> None:
        self.seen = 0
        self.taken = 0
        self._database = database
        self._shapers = shapers
        self._signal = JournalSignal(database.url)
        self._subscriptions: set[JournalSubscription] = set()
        self._wanted = asyncio.Event()
        self._reading = asyncio.Event()
        self._shaping = asyncio.Lock()
        self._woken_at = 0.0

    def subscribe(
        self, group: str, resource: str, *, namespace: str = "", name: str = "", after: int
    ) -> JournalSubscription:
        subscription = JournalSubscription(self, (group, resource), namespace, name, after)
        self._subscriptions.add(subscription)
        self._wanted.set()
        return subscription

    def remove(self, subscription: JournalSubscription) -> None:
        self._subscriptions.discard(subscription)
        if not self._subscriptions:
            self._wanted.clear()

    async def run(self) -> None:
        """Follows the journal while there are subscriptions."""
        try:
            while True:
                await self._wanted.wait()
                try:
                    await self._follow()
                except Unavailable as error:
                    log.warning("watches wait for Postgres", error=str(error))
                    await asyncio.sleep(_RETRY_S)
        finally:
            await self._signal.close()

    async def _follow(self) -> None:
        if not self._reading.is_set():
            async with self._database.connection() as connection:
                self.seen = self.taken = await load_head(connection)
            self._reading.set()
        try:
            while self._subscriptions:
                await self._read_new()
                self._wake_idle()
                await self._signal.wait()
        finally:
            if not self._subscriptions:
                self._reading.clear()

    def _wake_idle(self) -> None:
        """One clock for all: a timer of its own for each of a thousand watches costs more than
        an event does."""
        now = asyncio.get_running_loop().time()
        if now - self._woken_at >= _IDLE_S:
            self._woken_at = now
            for subscription in self._subscriptions:
                subscription.wake()

    async def _read_new(self) -> None:
        while True:
            async with self._database.connection() as connection:
                changes = await read_changes(connection, self.seen, _PAGE)
            await self._dispatch(changes)
            if len(changes) < _PAGE:
                return

    async def _dispatch(self, changes: Iterable[RecordedChange]) -> None:
        for recorded in changes:
            # Who subscribes while this change is being shaped finds it in its backlog.
            self.taken = recorded.position
            concerned = [s for s in self._subscriptions if s.concerns(recorded)]
            if concerned:
                event = await self._shaped(recorded)
                for subscription in concerned:
                    subscription.push(event)
            self.seen = recorded.position

    async def _shaped(self, recorded: RecordedChange) -> WatchEvent:
        change = recorded.change
        shaper = self._shapers.get((change.group, change.resource), shape_body)
        async with self._shaping:
            return await shaper(recorded)

    async def backlog(self, subscription: JournalSubscription) -> AsyncIterator[list[WatchEvent]]:
        """What happened between the subscription's start and where this reader stands."""
        await self._reading.wait()
        until, after = self.taken, subscription.position
        if after >= until:
            return
        async with self._database.connection() as connection:
            oldest = await load_oldest_watchable(connection)
        if after < oldest:
            raise expired(f"too old resource version: {after} ({oldest})")
        while after < until:
            async with self._database.connection() as connection:
                page = await read_changes(connection, after, _PAGE)
            page = [recorded for recorded in page if recorded.position <= until]
            if not page:
                return
            after = page[-1].position
            yield [await self._shaped(r) for r in page if subscription.concerns(r)]
