"""From the journal's deltas to whole image streams, as watchers see them.

A bounded cache holds the streams that move; a change is folded onto what is cached. A stream that
is not cached is loaded as it is now and folded back: deltas hold both sides. So a watcher gets
every version, exactly, whenever it comes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from tagstream.api.images.convert import RegistryNames
from tagstream.api.watch.events import WatchEvent
from tagstream.api.watch.packing import PackedStream
from tagstream.store.database import Database
from tagstream.store.journal import RecordedChange, read_object_changes
from tagstream.store.streams import load_stream
from tagstream.streams.delta import apply
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import delta_from_json, parse_time

# How many tags and history items the cache may hold altogether, with their encoded forms.
CACHE_LIMIT = 400_000


class StreamFolder:
    """Makes the event of each change of an image stream. One at a time, in order."""

    def __init__(
        self, database: Database, names: RegistryNames, cache_limit: int = CACHE_LIMIT
    ) -> None:
        self._database = database
        self._names = names
        self._limit = cache_limit
        self._weight = 0
        self._cache: OrderedDict[str, PackedStream] = OrderedDict()

    async def shape(self, recorded: RecordedChange) -> WatchEvent:
        """The object after the change; for a deletion the object as it was, at the version of
        its deletion."""
        change = recorded.change
        packed = self._take(change.uid, change.previous)
        if change.type == "DELETED":
            packed = packed or await PackedStream.of(self._undeleted(recorded))
            packed.stream = replace(packed.stream, version=recorded.position)
            return packed.event(change.type, self._names)
        delta = delta_from_json(change.delta or {})
        if change.type == "ADDED":
            created = replace(apply(_blank(recorded), delta), version=recorded.position)
            packed = await PackedStream.of(created)
        elif packed is not None:
            packed.move(delta, recorded.position)
        else:
            packed = await PackedStream.of(await self._load_at(recorded))
        self._put(packed)
        return packed.event(change.type, self._names)

    def _undeleted(self, recorded: RecordedChange) -> ImageStream:
        return apply(_blank(recorded), delta_from_json(recorded.change.delta or {}).inverted())

    async def _load_at(self, recorded: RecordedChange) -> ImageStream:
        """The stream as it was at this position, unwound from what it is now."""
        change = recorded.change
        async with self._database.snapshot() as connection:
            now = await load_stream(connection, change.namespace, change.name)
            later = await read_object_changes(connection, change.uid, recorded.position)
        stream = now if now is not None and now.uid == change.uid else _blank(recorded)
        for one in reversed(later):
            delta = delta_from_json(one.change.delta or {})
            stream = apply(stream, delta.inverted())
        return replace(stream, version=recorded.position)

    def _take(self, uid: str, version: int) -> PackedStream | None:
        cached = self._cache.pop(uid, None)
        if cached is None:
            return None
        self._weight -= cached.weight
        return cached if cached.stream.version == version else None

    def _put(self, packed: PackedStream) -> None:
        self._cache[packed.stream.uid] = packed
        self._weight += packed.weight
        while self._weight > self._limit and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._weight -= dropped.weight


def _blank(recorded: RecordedChange) -> ImageStream:
    change = recorded.change
    created = (change.delta or {}).get("created")
    return ImageStream(
        change.namespace,
        change.name,
        change.uid,
        parse_time(created) if isinstance(created, str) else recorded.at,
    )
