"""The state that a replay builds up: streams with their item rows, images, open imports.

Owns what the store's tables hold for these, in memory. Nothing here decides; the appliers do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from tagstream.replay.image_index import ImageIndex
from tagstream.streams.delta import StreamDelta, apply
from tagstream.streams.image_stream import ImageStream, SourceKind, TagEvent
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.item_plan import plan_items
from tagstream.streams.sources import ResolvedSource, SourceQuery, followed_tag


@dataclass(slots=True)
class ItemRow:
    """A row of `tag_items`: what a tag meant, who made it so, and which command ended it."""

    tag: str
    seq: int
    event: TagEvent
    actor: str
    cause: str
    command: str
    retired_by: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Whose command writes."""

    command: str
    actor: str
    cause: str


@dataclass(slots=True)
class HeldStream:
    """A stream and its rows. `live` holds the item rows of each tag, the newest last; `top` the
    highest number that each tag ever had."""

    stream: ImageStream
    live: dict[str, list[ItemRow]] = field(default_factory=dict)
    retired: list[ItemRow] = field(default_factory=list)
    top: dict[str, int] = field(default_factory=dict)
    followers: dict[str, set[str]] = field(default_factory=dict)
    images: ImageIndex = field(default_factory=ImageIndex)

    def __post_init__(self) -> None:
        for rows in self.live.values():
            for row in rows:
                self.images.add(row)
        for ref in self.stream.spec_tags.values():
            followed = followed_tag(self.stream.namespace, self.stream.name, ref)
            if followed is not None:
                self.followers.setdefault(followed, set()).add(ref.name)

    def view(self, tags: Iterable[str], *, whole_history: bool = False) -> ImageStream:
        """The stream with these tags and all that follow them, as the store loads it for a write
        of them: each history up to its head only, unless a write may do more than add to it."""
        wanted: set[str] = set()
        open_ = list(tags)
        while open_:
            tag = open_.pop()
            if tag not in wanted:
                wanted.add(tag)
                open_ += self.followers.get(tag, ())
        spec = self.stream.spec_tags
        status = {t: h for t in sorted(wanted) if (h := self.stream.status_tags.get(t))}
        if not whole_history:
            status = {t: replace(h, items=h.items[:1]) for t, h in status.items()}
        return replace(
            self.stream,
            spec_tags=MappingProxyType({t: spec[t] for t in sorted(wanted) if t in spec}),
            status_tags=MappingProxyType(status),
        )

    def write(self, delta: StreamDelta, author: Author) -> None:
        """Does what `save_stream` does to the rows."""
        self._write_items(delta, author)
        self.stream = apply(self.stream, delta)
        self._follow(delta)

    def shorten(self, delta: StreamDelta, gone: Iterable[tuple[str, int]], command: str) -> None:
        """Does what `shorten_stream` does: only the given rows go."""
        for tag, seq in gone:
            rows = self.live[tag]
            (row,) = (row for row in rows if row.seq == seq)
            rows.remove(row)
            self._retire(row, command)
        self.stream = apply(self.stream, delta)

    def end(self, command: str) -> None:
        """Retires every row."""
        for rows in self.live.values():
            for row in rows:
                self._retire(row, command)
        self.live = {}

    def _retire(self, row: ItemRow, command: str) -> None:
        self.images.remove(row)
        row.retired_by = command
        self.retired.append(row)

    def _write_items(self, delta: StreamDelta, author: Author) -> None:
        plan = plan_items(delta)
        for tag, generation in plan.regenerate:
            head = self.live[tag][-1]
            head.event = replace(head.event, generation=generation)
        for tag, count in plan.retire:
            for _ in range(count):
                self._retire(self.live[tag].pop(), author.command)
        for tag, event in plan.push:
            seq = self.top.get(tag, 0) + 1
            self.top[tag] = seq
            row = ItemRow(tag, seq, event, author.actor, author.cause, author.command)
            self.live.setdefault(tag, []).append(row)
            self.images.add(row)

    def _follow(self, delta: StreamDelta) -> None:
        names = self.stream.namespace, self.stream.name
        for tag, change in delta.spec.items():
            for side, is_new in ((change.before, False), (change.after, True)):
                followed = followed_tag(*names, side) if side is not None else None
                if followed is not None and is_new:
                    self.followers.setdefault(followed, set()).add(tag)
                elif followed is not None:
                    self.followers.get(followed, set()).discard(tag)


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image; `body` is the wire form without what the server sets."""

    uid: str
    version: int
    created_at: datetime
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class HeldImport:
    """An import that was not applied yet."""

    order: OrderedImport
    requested_at: datetime
    result: Mapping[str, object] | None = None
    finished_at: datetime | None = None


@dataclass(slots=True)
class World:
    """Everything. `ended` are the deleted streams, whose rows stay."""

    streams: dict[str, HeldStream] = field(default_factory=dict)
    ended: dict[str, HeldStream] = field(default_factory=dict)
    images: dict[str, HeldImage] = field(default_factory=dict)
    imports: dict[str, HeldImport] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def find(self, namespace: str, name: str) -> HeldStream | None:
        """The stream of that name now."""
        uid = self.names.get((namespace, name))
        return self.streams[uid] if uid is not None else None

    def add(self, held: HeldStream) -> None:
        stream = held.stream
        self.streams[stream.uid] = held
        self.names[stream.namespace, stream.name] = stream.uid

    def remove(self, held: HeldStream, command: str) -> None:
        """Deletes a stream; its open imports go with it."""
        stream = held.stream
        held.end(command)
        del self.streams[stream.uid], self.names[stream.namespace, stream.name]
        self.ended[stream.uid] = held
        lost = [i for i, one in self.imports.items() if one.order.stream_uid == stream.uid]
        for import_id in lost:
            del self.imports[import_id]

    def under_way(self, uid: str) -> list[Mapping[str, int]]:
        """The generations that open imports of a stream mean."""
        return [i.order.generations for i in self.imports.values() if i.order.stream_uid == uid]

    def sources(self, queries: Iterable[SourceQuery]) -> dict[SourceQuery, ResolvedSource]:
        """What tag references refer to."""
        found: dict[SourceQuery, ResolvedSource] = {}
        for query in queries:
            found[query] = _find_source(query, self.find(query.namespace, query.stream))
        return found

    def missing_images(self, digests: Collection[str]) -> list[str]:
        """Those that are not stored yet, in the order in which they would be."""
        return sorted(digest for digest in digests if digest not in self.images)


def _find_source(query: SourceQuery, held: HeldStream | None) -> ResolvedSource:
    """The answer that the store gives in SQL (store/streams.py, load_sources)."""
    if held is None:
        return ResolvedSource(stream_exists=False)
    if query.kind is SourceKind.IMAGE_STREAM_TAG:
        head = held.stream.head(query.key)
        return ResolvedSource(True, (head,) if head is not None else ())
    return ResolvedSource(True, held.images.newest(query.key))
