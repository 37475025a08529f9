"""WATCH: one open-ended response of events.

Owns where a watch begins, what its frames look like, bookmarks and its end. The changes come from
the hub, the selectors' transitions from `watch_selection.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from tagstream.api.engine.call import ONE_SHAPES, Call, StreamAnswer
from tagstream.api.engine.errors import as_api_error
from tagstream.api.engine.options import parse_count, parse_list_query, parse_version
from tagstream.api.engine.representing import include_object, shape_one, table_of
from tagstream.api.engine.routing import WatchSource
from tagstream.api.engine.storage import ListPage, ListQuery
from tagstream.api.engine.watch_selection import Selection, selects
from tagstream.api.watch.events import Hub, Subscription, WatchEvent
from tagstream.api.wire.encode import encode_body, encode_watch_event
from tagstream.api.wire.field_errors import forbidden_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.negotiation import Encoding, Representation, Shape
from tagstream.api.wire.selectors import FieldSelector, FieldTerm
from tagstream.api.wire.status import ApiError, invalid
from tagstream.api.wire.table import build_table

_BOOKMARK_EVERY_S = 60.0
_DEFAULT_TIMEOUT_S = 1800
# Batches are joined up to this many events into one write to the socket.
_FRAMES_A_WRITE = 200
_NAME_FIELDS = frozenset({"metadata.name", "metadata.namespace"})


async def on_watch(call: Call, hub: Hub) -> StreamAnswer:
    """Opens a watch. Whatever is wrong with its version comes as an ERROR event inside it."""
    shape = call.representation(ONE_SHAPES)
    include_object(call)
    _refuse_initial_events(call)
    query = replace(parse_list_query(call), limit=0, after=("", ""), at_version=0)
    if call.target.name:
        # The old form `/watch/.../<name>` selects by name.
        query = replace(query, fields=_with_name(query.fields, call.target.name))
    stream = _Watch(
        call,
        hub,
        shape,
        query,
        parse_version(call.query.get("resourceVersion", "")),
        parse_count(call.query, "timeoutSeconds") or _default_timeout_s(call),
        call.flag("allowWatchBookmarks"),
    )
    return StreamAnswer(shape.watch_content_type, stream.frames(), stream.stop)


def _with_name(fields: FieldSelector, name: str) -> FieldSelector:
    return FieldSelector((*fields.terms, FieldTerm("metadata.name", name)))


def _default_timeout_s(call: Call) -> int:
    """Between half an hour and an hour: watches opened together do not all end together."""
    return _DEFAULT_TIMEOUT_S + int(call.ctx.id[:6], 16) % _DEFAULT_TIMEOUT_S


def _refuse_initial_events(call: Call) -> None:
    if call.query.get("sendInitialEvents") is None:
        return
    detail = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    error = forbidden_value("sendInitialEvents", detail)
    raise invalid("ListOptions", "meta.k8s.io", "", [error])


@dataclass(slots=True)
class _Watch:
    """One open watch; `frames` is iterated once."""

    call: Call
    hub: Hub
    shape: Representation
    query: ListQuery
    version: int
    timeout_s: int
    bookmarks: bool
    _subscription: Subscription | None = None
    _stopped: bool = False
    _columns_sent: bool = False

    def stop(self) -> None:
        self._stopped = True
        if self._subscription is not None:
            self._subscription.close()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self.timeout_s, self.stop)
        try:
            async for frame in self._events():
                yield frame
        except Exception as error:
            # The response has begun: what went wrong is told inside of it.
            yield self._status_frame(as_api_error(error))
        finally:
            timer.cancel()
            self.stop()

    async def _events(self) -> AsyncGenerator[bytes, None]:
        after = self.version
        selection: Selection | None = None
        if after == 0 or self._is_selective():
            page = await self._list()
            if after == 0:
                after = page.version
                for first in range(0, len(page.items), _FRAMES_A_WRITE):
                    some = page.items[first : first + _FRAMES_A_WRITE]
                    yield b"".join(self._frame("ADDED", item) for item in some)
            if self._is_selective():
                selection = self._selection(page)
        subscription = self._subscribe(after)
        async for frame in self._follow(subscription, selection):
            yield frame

    async def _list(self) -> ListPage:
        return await self.call.entry.storage.list(
            self.call.ctx, self.call.target.namespace, self.query
        )

    def _is_selective(self) -> bool:
        """Name and namespace never change: without other terms no object starts to match."""
        fields = self.query.fields.terms
        return bool(self.query.labels.requirements) or any(
            term.field not in _NAME_FIELDS or term.negated for term in fields
        )

    def _selection(self, page: ListPage) -> Selection:
        matching = (item["metadata"].get("uid", "") for item in page.items)
        return Selection(selects(self.query.labels, self.query.fields), page.version, matching)

    def _subscribe(self, after: int) -> Subscription:
        source = self.call.entry.watch
        fields = self.query.fields
        subscription = self.hub.subscribe(
            source.group,
            source.resource,
            namespace=self.call.target.namespace
            or fields.required_value("metadata.namespace")
            or "",
            name=fields.required_value("metadata.name") or "",
            after=after,
        )
        self._subscription = subscription
        if self._stopped:
            subscription.close()
        return subscription

    async def _follow(
        self, subscription: Subscription, selection: Selection | None
    ) -> AsyncGenerator[bytes, None]:
        now = asyncio.get_running_loop().time
        bookmarked_at = now()
        async for batch in subscription:
            frames = await self._batch(batch, selection)
            if frames:
                yield frames
            if self.bookmarks and now() - bookmarked_at >= _BOOKMARK_EVERY_S:
                bookmarked_at = now()
                yield self._bookmark(subscription.position)
        if self.bookmarks:
            yield self._bookmark(subscription.position)

    async def _batch(self, batch: list[WatchEvent], selection: Selection | None) -> bytes:
        source = self.call.entry.watch
        if selection is None and source.show is None and self._is_plain():
            return b"".join([event.json_line for event in batch])
        frames = []
        for event in batch:
            shown = await self._shown(event, source)
            if shown is None:
                continue
            kind = event.type if selection is None else selection.judge(shown)
            if kind is not None:
                frames.append(self._frame(kind, shown.object))
        return b"".join(frames)

    def _is_plain(self) -> bool:
        return self.shape.encoding is Encoding.JSON and self.shape.shape is Shape.OBJECT

    async def _shown(self, event: WatchEvent, source: WatchSource) -> WatchEvent | None:
        if source.show is None:
            return event
        item = await source.show(self.call.ctx, event.object)
        return None if item is None else WatchEvent(event.position, event.type, item)

    def _frame(self, event_type: str, item: JsonObject) -> bytes:
        body = shape_one(self.call, item, self.shape, with_columns=not self._columns_sent)
        self._columns_sent = True
        return self._encode(event_type, body)

    def _encode(self, event_type: str, body: JsonObject) -> bytes:
        encoding = self.shape.encoding
        return encode_watch_event(event_type, encode_body(body, encoding), encoding)

    def _status_frame(self, error: ApiError) -> bytes:
        return self._encode("ERROR", error.status)

    def _bookmark(self, position: int) -> bytes:
        kind, metadata = self.call.entry.kind, {"resourceVersion": str(position)}
        if self.shape.shape is Shape.TABLE:
            columns = () if self._columns_sent else table_of(kind).columns
            self._columns_sent = True
            return self._encode("BOOKMARK", build_table(columns, [], list_metadata=metadata))
        item: JsonObject = {
            "kind": kind.kind,
            "apiVersion": kind.api_version,
            "metadata": metadata,
        }
        return self._frame("BOOKMARK", item)
