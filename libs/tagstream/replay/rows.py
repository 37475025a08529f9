"""The rows that a world stands for, in the form in which a recording keeps those of the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tagstream.replay.world import HeldImage, HeldImport, HeldStream, ItemRow, World
from tagstream.streams.image_stream import ImageStream, TagEvent
from tagstream.streams.json_form import metadata_to_json, reference_to_json
from tagstream.streams.sources import followed_tag
from tagstream.streams.tags import will_move_again

Row = list[object]


def time_text(moment: datetime) -> str:
    """A time of a row, with all that the store keeps of it."""
    return moment.astimezone(UTC).isoformat()


def item_row(item: ItemRow) -> Row:
    return [
        item.tag,
        item.seq,
        *_event(item.event),
        item.actor,
        item.cause,
        item.command,
        item.retired_by,
    ]


def _event(event: TagEvent) -> Row:
    return [
        time_text(event.created),
        event.docker_image_reference,
        event.image,
        event.generation,
    ]


@dataclass(frozen=True, slots=True)
class StreamRows:
    """Those of one stream in all its tables. `header` is None when it was deleted."""

    uid: str
    header: Row | None
    spec: list[Row]
    items: list[Row]
    conditions: list[Row]

    def to_json(self) -> dict[str, object]:
        return {
            "rows": "stream",
            "uid": self.uid,
            "stream": self.header,
            "spec_tags": self.spec,
            "tag_items": self.items,
            "tag_conditions": self.conditions,
        }


def stream_rows(world: World, uid: str) -> StreamRows:
    """Item rows that were retired before the recording began are no part of it."""
    held = world.streams.get(uid)
    if held is None:
        ended = world.ended.get(uid)
        return StreamRows(uid, None, [], _items(ended) if ended is not None else [], [])
    stream = held.stream
    return StreamRows(
        uid, header_row(stream), _spec_rows(stream), _items(held), condition_rows(stream)
    )


def header_row(stream: ImageStream) -> Row:
    metadata = metadata_to_json(stream.metadata)
    return [
        stream.namespace,
        stream.name,
        stream.version,
        stream.generation,
        time_text(stream.created_at),
        stream.lookup_local,
        stream.docker_image_repository,
        metadata,
    ]


def _spec_rows(stream: ImageStream) -> list[Row]:
    return [
        [
            tag,
            ref.generation,
            followed_tag(stream.namespace, stream.name, ref),
            will_move_again(stream, tag),
            reference_to_json(ref),
        ]
        for tag, ref in sorted(stream.spec_tags.items())
    ]


def _items(held: HeldStream) -> list[Row]:
    rows = [*held.retired, *(row for rows in held.live.values() for row in rows)]
    return [item_row(row) for row in sorted(rows, key=lambda row: (row.tag, row.seq))]


def condition_rows(stream: ImageStream) -> list[Row]:
    return [
        [
            tag,
            c.type,
            c.status,
            c.reason,
            c.message,
            c.generation,
            time_text(c.last_transition_time),
        ]
        for tag, history in sorted(stream.status_tags.items())
        for c in history.conditions
    ]


def image_row(digest: str, image: HeldImage | None) -> Row:
    """The row of an image, or that there is none."""
    if image is None:
        return [digest, None]
    return [digest, image.uid, image.version, time_text(image.created_at)]


def import_rows(imports: Iterable[HeldImport]) -> list[Row]:
    """Open imports, by id."""
    rows: list[Row] = [
        [
            one.order.to_json(),
            time_text(one.requested_at),
            one.result,
            time_text(one.finished_at) if one.finished_at is not None else None,
        ]
        for one in sorted(imports, key=lambda one: one.order.id)
    ]
    return rows
