"""The live feed as one browser gets it: server-sent events, each a line of the feed as HTML.

Owns when a browser is looked after, what it may still be shown, and when it has to read the page
anew. Facts come from `feed.py`, once for all browsers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from tagstream.api.engine.call import Answer, StreamAnswer
from tagstream.api.page.access import Reader
from tagstream.api.page.events import Scope, parse_scope
from tagstream.api.page.fact_lines import describe_fact
from tagstream.api.page.feed import FactFeed
from tagstream.api.page.places import MOST_EACH, NoPlace
from tagstream.api.page.rendering import SECURITY, Renderer
from tagstream.api.page.visit import Visit
from tagstream.api.server.responses import plain_answer
from tagstream.errors import TagstreamError
from tagstream.store.outbox import OutboxRow

SSE = "text/event-stream; charset=utf-8"
_BEAT_S = 15.0
# Looked after, and its token judged, no more often than this while facts keep coming.
_PACE_S = 1.0
# More at once than anybody reads: the older ones are left out.
_MOST_AT_ONCE = 50
# Journal positions, and pages of facts: who is further behind reads the page anew.
_MOST_BEHIND = 5000
_MOST_PAGES = 25
_RELOAD = b"event: reload\ndata: too much has happened since\n\n"
_OVER = b"event: over\ndata: signed out\n\n"

StillSignedIn = Callable[[], Awaitable[bool]]


def on_live(
    feed: FactFeed, visit: Visit, resume: str, signed_in: StillSignedIn
) -> Answer | StreamAnswer:
    """What happens from now on, or after a position; `resume` is `Last-Event-ID`."""
    try:
        leave = feed.places.take(visit.reader.user.name)
    except NoPlace as full:
        if full.is_own:
            sentence = f"you follow the events {MOST_EACH} times already; close some of the pages"
            return plain_answer(429, sentence)
        return plain_answer(503, "too many browsers follow the events; reload the page instead")
    asked = resume or visit.query.get("after", "")
    after = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    live = _Live(feed, visit.reader, parse_scope(visit), signed_in, leave)
    return StreamAnswer(SSE, live.frames(after), live.stop, headers=SECURITY[1:])


class _Live:
    """One browser's feed."""

    def __init__(
        self,
        feed: FactFeed,
        reader: Reader,
        scope: Scope,
        signed_in: StillSignedIn,
        leave: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._reader = reader
        self._scope = scope
        self._signed_in = signed_in
        self._leave = leave
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()
        self._leave()

    async def frames(self, asked: int | None) -> AsyncGenerator[bytes, None]:
        """After a position, without one from now on."""
        # Without a database it ends, and the browser comes again by itself.
        with suppress(TagstreamError), self._feed.joined() as waker:
            head = await self._feed.load_head()
            after = head if asked is None else min(asked, head)
            yield b"retry: 3000\n\n"
            if head - after > _MOST_BEHIND:
                yield _RELOAD
                return
            async for frame in self._follow(waker, after):
                yield frame

    async def _follow(self, waker: asyncio.Event, after: int) -> AsyncGenerator[bytes, None]:
        clock = asyncio.get_running_loop().time
        judged = clock()
        while not self._stopped.is_set():
            waker.clear()
            before = after
            found = await self._look(after)
            if found is None:
                yield _RELOAD
                return
            after, seen = found
            if seen or clock() - judged >= _BEAT_S:
                if not await self._signed_in():
                    yield _OVER
                    return
                judged = clock()
                yield b"".join(self._feed.frame_of(row) for row in seen) or _beat(after)
            # What comes meanwhile is sent together: many facts must not mean many looks.
            if after != before:
                await self._pause((self._stopped,), _PACE_S)
            await self._pause((self._stopped, waker), judged + _BEAT_S - clock())

    async def _look(self, after: int) -> tuple[int, Collection[OutboxRow]] | None:
        """Where the facts end, and the newest of them that may be shown; None when there are too
        many to look through."""
        seen: deque[OutboxRow] = deque(maxlen=_MOST_AT_ONCE)
        for _ in range(_MOST_PAGES):
            rows = await self._feed.read_after(after)
            if not rows:
                return after, seen
            after = rows[-1].position
            births = await self._know(after)
            seen.extend(row for row in rows if self._is_seen(row, births))
        return None

    async def _know(self, position: int) -> Mapping[str, datetime]:
        """Has the rights and the namespaces as they were at a position or later.

        What was taken away before a fact came does not show it any more. And the namespaces are
        never older than the rights: a right in a new namespace must not show the old one's facts.
        """
        policies, known = self._reader.policies, self._feed.births
        await policies.refreshed(position)
        while known.position < (wanted := max(position, policies.position)):
            await known.refresh(wanted)
        return known.births

    async def _pause(self, events: Sequence[asyncio.Event], timeout_s: float) -> None:
        """Until one of the events, or for some time."""
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(
                waits, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    def _is_seen(self, row: OutboxRow, births: Mapping[str, datetime]) -> bool:
        data = _data(row)
        at = datetime.fromisoformat(row.at)
        return self._scope.has(data) and self._reader.may_see_fact(row.type, data, at, births)


def render_frame(renderer: Renderer, row: OutboxRow) -> bytes:
    """A fact as a server-sent event: a line of the feed as HTML."""
    line = describe_fact(row.position, row.type, datetime.fromisoformat(row.at), _data(row))
    html = renderer.fragment("line.html", {"line": line, "is_live": True})
    data = "".join(f"data: {part}\n" for part in html.splitlines() if part.strip())
    return f"id: {row.position}\n{data}\n".encode()


def _beat(position: int) -> bytes:
    """That the feed still stands, and where: a browser to which nothing is shown comes again from
    there, not from where it began."""
    return f"event: beat\nid: {position}\ndata: still here\n\n".encode()


def _data(row: OutboxRow) -> Mapping[str, object]:
    return row.data if isinstance(row.data, dict) else {}
