"""From the journal to the lines of a recording: what was there, what happened, what is there.

Reads in one snapshot, the journal twice: once to learn what the recording has to hold, once to
write it. Memory is bounded by the streams that were touched, not by what happened to them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from tagstream.replay.act import stored_form
from tagstream.replay.base import image_base, import_base, stream_base
from tagstream.replay.recording import Entry, Header, Json
from tagstream.replay.rows import (
    StreamRows,
    condition_rows,
    header_row,
    image_row,
    import_rows,
    item_row,
    time_text,
)
from tagstream.replay.survey import Survey, without_body
from tagstream.replay.world import HeldImage, HeldImport, ItemRow
from tagstream.store.database import Connection
from tagstream.store.imports import ImportRow, list_open_imports
from tagstream.store.journal import RecordedChange, read_object_changes_back
from tagstream.store.recording import (
    CommandRow,
    RecordedItem,
    load_image_rows,
    load_items,
    load_lost_imports,
    load_spec_rows,
    load_top,
    read_commands,
)
from tagstream.store.streams import load_stream
from tagstream.streams.delta import apply
from tagstream.streams.image_stream import ImageStream, TagEvent
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.json_form import delta_from_json, parse_time

_PAGE = 200
_NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Recorder:
    """One recording from the position `first` on. `connection` is in a snapshot."""

    connection: Connection
    first: int

    async def survey(self) -> Survey:
        """Looks at every command once."""
        survey = Survey()
        async for row in read_commands(self.connection, self.first):
            survey.add(_entry(row))
        return survey

    def header(self, survey: Survey, now: datetime) -> Header:
        return Header(self.first, survey.last, time_text(now))

    async def lines(self, survey: Survey) -> AsyncIterator[Json]:
        """Everything between header and end."""
        open_now = await list_open_imports(self.connection)
        async for line in self._base_streams(survey):
            yield line
        async for line in self._base_images(survey):
            yield line
        lost = await load_lost_imports(self.connection, survey.ended, self.first)
        for line in _base_imports(survey, open_now, lost):
            yield line
        async for row in read_commands(self.connection, self.first):
            yield _entry(row).to_json()
        async for line in self._rows(survey, open_now):
            yield line

    async def _base_streams(self, survey: Survey) -> AsyncIterator[Json]:
        for uid, (namespace, name) in sorted(survey.streams.items()):
            stream = await self._stream_before(uid, namespace, name)
            if stream is not None:
                yield await self._base(stream)
        touched = {*survey.streams.values()}
        for namespace, name in sorted(survey.sources - touched):
            source = await load_stream(self.connection, namespace, name)
            if source is not None:
                yield await self._base(source)

    async def _stream_before(self, uid: str, namespace: str, name: str) -> ImageStream | None:
        """The stream before the first entry, unwound from what it is now; None if it was made
        within the recording."""
        now = await load_stream(self.connection, namespace, name)
        stream = now if now is not None and now.uid == uid else None
        before, oldest = _NEWEST, None
        while page := await read_object_changes_back(
            self.connection, uid, self.first, before, _PAGE
        ):
            for recorded in page:
                delta = delta_from_json(recorded.change.delta or {})
                stream = apply(stream or _blank(recorded), delta.inverted())
            oldest = page[-1]
            before = oldest.position
        if stream is None or oldest is None or oldest.change.type == "ADDED":
            return None
        return replace(stream, version=oldest.change.previous)

    async def _base(self, stream: ImageStream) -> Json:
        authors: dict[str, list[list[object]]] = {}
        for item in reversed(await load_items(self.connection, stream.uid, self.first)):
            if not item.is_new:
                author: list[object] = [item.seq, item.actor, item.cause, item.command]
                authors.setdefault(item.tag, []).append(author)
        return stream_base(stream, authors, await load_top(self.connection, stream.uid, self.first))

    async def _base_images(self, survey: Survey) -> AsyncIterator[Json]:
        named = [digest for digest, change in survey.images.items() if change is None]
        for digest, image in sorted((await self._images(named)).items()):
            yield image_base(digest, image)
        for digest in survey.changed_images():
            change = survey.images[digest]
            if change is not None and change["type"] != "ADDED":
                body = change["body"]
                created = parse_time(body["metadata"]["creationTimestamp"])
                yield image_base(
                    digest,
                    HeldImage(change["uid"], change["previous"], created, stored_form(body)),
                )

    async def _images(self, digests: Collection[str]) -> dict[str, HeldImage]:
        """Those that are there, without their bodies."""
        rows = await load_image_rows(self.connection, digests)
        return {digest: HeldImage(*row, body={}) for digest, row in rows.items()}

    async def _rows(self, survey: Survey, open_now: Iterable[ImportRow]) -> AsyncIterator[Json]:
        for uid, (namespace, name) in sorted(survey.streams.items()):
            yield (await self._stream_rows(uid, namespace, name)).to_json()
        digests = survey.changed_images()
        found = await self._images(digests)
        yield {"rows": "images", "images": [image_row(d, found.get(d)) for d in digests]}
        held = (HeldImport(r.order, r.requested_at, r.result, r.finished_at) for r in open_now)
        yield {"rows": "imports", "imports": import_rows(held)}

    async def _stream_rows(self, uid: str, namespace: str, name: str) -> StreamRows:
        items = [item_row(_row(i)) for i in await load_items(self.connection, uid, self.first)]
        stream = await load_stream(self.connection, namespace, name)
        if stream is None or stream.uid != uid:
            return StreamRows(uid, None, [], items, [])
        spec = [list(row) for row in await load_spec_rows(self.connection, uid)]
        return StreamRows(uid, header_row(stream), spec, items, condition_rows(stream))


def _base_imports(
    survey: Survey, open_now: Iterable[ImportRow], lost: Iterable[OrderedImport]
) -> Iterable[Json]:
    """Imports that were open when the recording began. Of one that is over only the order is
    known, which is all that its end needs."""
    rows = {row.order.id: row for row in open_now}
    orders = {order.id: order for order in lost}
    orders |= {**survey.imports, **{i: row.order for i, row in rows.items()}}
    for import_id, order in sorted(orders.items()):
        if import_id in survey.ordered:
            continue
        row = rows.get(import_id)
        if row is None:
            yield import_base(order, parse_time("1970-01-01T00:00:00Z"), None, None)
        elif import_id in survey.finished:
            yield import_base(order, row.requested_at, None, None)
        else:
            yield import_base(order, row.requested_at, row.result, row.finished_at)


def _row(item: RecordedItem) -> ItemRow:
    event = TagEvent(item.created, item.reference, item.image, item.generation)
    return ItemRow(item.tag, item.seq, event, item.actor, item.cause, item.command, item.retired_by)


def _entry(row: CommandRow) -> Entry:
    return Entry(
        row.id,
        row.position,
        row.at,
        row.kind,
        row.actor,
        row.cause,
        row.arguments,
        [without_body(change) for change in row.changes],
        row.facts,
        row.jobs,
    )


def _blank(recorded: RecordedChange) -> ImageStream:
    change = recorded.change
    created = parse_time(str((change.delta or {})["created"]))
    return ImageStream(change.namespace, change.name, change.uid, created)
