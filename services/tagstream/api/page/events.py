"""The feed of events: the last ones, rendered here, and the live ones, sent as they happen.

Every fact passes the caller's rights on its way out, those of a live feed as they are at that
moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.engine.call import Answer, StreamAnswer
from tagstream.api.page.access import Reader
from tagstream.api.page.fact_lines import FactLine, describe_fact, text_of
from tagstream.api.page.feed import FactFeed
from tagstream.api.page.rendering import SECURITY, Renderer
from tagstream.api.page.visit import PageDeps, Visit
from tagstream.api.server.responses import plain_answer
from tagstream.errors import TagstreamError
from tagstream.store.database import Connection
from tagstream.store.fact_reads import list_recent_facts
from tagstream.store.journal import load_head
from tagstream.store.outbox import OutboxRow
from tagstream.store.page_reads import load_namespace_births

SSE = "text/event-stream; charset=utf-8"
_EVENTS = 100
_LOOK_BACK = 5000
_CANDIDATES = 4
_BEAT_S = 15.0
_MOST_BROWSERS = 200
# More at once than anybody reads: the older ones are left out.
_MOST_AT_ONCE = 50

StillSignedIn = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a feed is about; empty names stand for any."""

    namespace: str = ""
    stream: str = ""

    def has(self, data: Mapping[str, object]) -> bool:
        wanted = (("namespace", self.namespace), ("stream", self.stream))
        return all(not value or text_of(data, key) == value for key, value in wanted)


@dataclass(frozen=True, slots=True)
class Feed:
    """Lines, newest first, and the position that they go up to: live updates start after it."""

    lines: Sequence[FactLine]
    scope: Scope
    position: int


async def load_lines(
    connection: Connection,
    reader: Reader,
    births: Mapping[str, datetime] | None,
    scope: Scope,
    limit: int,
) -> Feed:
    """The last facts that the caller may see; use it in a snapshot."""
    position = await load_head(connection)
    facts = await list_recent_facts(
        connection,
        births,
        namespace=scope.namespace,
        stream=scope.stream,
        look_back=_LOOK_BACK,
        limit=limit * _CANDIDATES,
    )
    lines = [
        describe_fact(fact.position, fact.type, fact.at, fact.data)
        for fact in facts
        if reader.may_see_fact(fact.type, fact.data)
    ]
    return Feed(lines[:limit], scope, position)


async def on_events(deps: PageDeps, visit: Visit) -> Answer:
    """The last events, of everything, a namespace or a stream."""
    scope = _scope(visit)
    async with deps.database.snapshot() as connection:
        births = await load_namespace_births(connection)
        seen = await visit.reader.seen_namespaces(births)
        feed = await load_lines(connection, visit.reader, seen, scope, _EVENTS)
    return deps.show(visit, "events.html", {"feed": feed, "most": _EVENTS})


def on_live(
    feed: FactFeed, visit: Visit, resume: str, signed_in: StillSignedIn
) -> Answer | StreamAnswer:
    """Server-sent events, each a line of the feed as HTML; `resume` is `Last-Event-ID`."""
    if feed.readers >= _MOST_BROWSERS:
        return plain_answer(503, "too many browsers follow the events; reload the page instead")
    asked = resume or visit.query.get("after", "")
    after = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    live = _Live(feed, visit.reader, _scope(visit), signed_in)
    return StreamAnswer(SSE, live.frames(after), live.stop, headers=SECURITY[1:])


class _Live:
    """One browser's feed."""

    def __init__(
        self,
        feed: FactFeed,
        reader: Reader,
        scope: Scope,
        signed_in: StillSignedIn,
    ) -> None:
        self._feed = feed
        self._reader = reader
        self._scope = scope
        self._signed_in = signed_in
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def frames(self, asked: int | None) -> AsyncGenerator[bytes, None]:
        """After a position, without one from now on."""
        # Without a database it ends, and the browser comes again by itself.
        with suppress(TagstreamError), self._feed.joined() as waker:
            head = await self._feed.load_head()
            after = head if asked is None else min(asked, head)
            yield b"retry: 3000\n\n"
            while not self._stopped.is_set():
                waker.clear()
                rows = await self._feed.read_after(after)
                if rows:
                    # What was taken away before the fact came does not show it any more.
                    await self._reader.policies.refreshed(rows[-1].position)
                if not await self._signed_in():
                    yield b"event: over\ndata: signed out\n\n"
                    return
                if rows:
                    after = rows[-1].position
                    seen = [row for row in rows if self._is_seen(row)][-_MOST_AT_ONCE:]
                    yield b"".join(self._feed.frame_of(row) for row in seen) or b":\n"
                elif not await self._woken(waker):
                    yield b": still here\n\n"

    async def _woken(self, waker: asyncio.Event) -> bool:
        """False after a while without anything new: time to see whether the browser is there."""
        waits = {asyncio.ensure_future(event.wait()) for event in (waker, self._stopped)}
        try:
            done, _ = await asyncio.wait(
                waits, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    def _is_seen(self, row: OutboxRow) -> bool:
        data = _data(row)
        return self._scope.has(data) and self._reader.may_see_fact(row.type, data)


def render_frame(renderer: Renderer, row: OutboxRow) -> bytes:
    """A fact as a server-sent event: a line of the feed as HTML."""
    line = describe_fact(row.position, row.type, datetime.fromisoformat(row.at), _data(row))
    html = renderer.fragment("line.html", {"line": line, "is_live": True})
    data = "".join(f"data: {part}\n" for part in html.splitlines() if part.strip())
    return f"id: {row.position}\n{data}\n".encode()


def _data(row: OutboxRow) -> Mapping[str, object]:
    return row.data if isinstance(row.data, dict) else {}


def _scope(visit: Visit) -> Scope:
    names = (visit.query.get(name, "").replace("\0", "")[:253] for name in ("namespace", "stream"))
    return Scope(*names)
