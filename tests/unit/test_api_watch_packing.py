"""A stream whose tags stay encoded yields, byte for byte, what encoding it anew would."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Literal, cast

import orjson
from hypothesis import given
from hypothesis import strategies as st

from fakes.stream_strategies import streams
from fakes.streams import NOW, event, history, image_stream, registry_tag
from tagstream.api.images import convert
from tagstream.api.images.convert import RegistryNames, stream_to_wire
from tagstream.api.watch import packing
from tagstream.api.watch.events import WatchEvent
from tagstream.api.watch.folding import StreamFolder
from tagstream.api.watch.packing import PackedStream
from tagstream.store.database import Database
from tagstream.store.journal import Change, RecordedChange
from tagstream.streams.delta import diff
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import delta_to_json, format_time

NAMES = RegistryNames("registry.test:5000", "public.test")
Kind = Literal["ADDED", "MODIFIED", "DELETED"]


def check(shown: WatchEvent, kind: Kind, stream: ImageStream) -> None:
    whole = stream_to_wire(stream, NAMES)
    assert (shown.type, shown.position) == (kind, stream.version)
    assert shown.json_line == orjson.dumps({"type": kind, "object": whole}) + b"\n"
    assert shown.object == whole
    assert shown.object is shown.object


def recorded(
    kind: Kind, position: int, previous: int, before: ImageStream, after: ImageStream
) -> RecordedChange:
    delta = {**delta_to_json(diff(before, after)), "created": format_time(before.created_at)}
    place = (convert.GROUP, "imagestreams", before.namespace, before.name, before.uid)
    return RecordedChange(position, NOW, Change(*place, kind, previous, delta=delta))


@given(st.lists(streams, min_size=1, max_size=6))
def test_moved_through_deltas_it_is_encoded_as_the_whole(states: list[ImageStream]) -> None:
    packed = asyncio.run(PackedStream.of(states[0]))
    check(packed.event("ADDED", NAMES), "ADDED", states[0])
    for version, (before, after) in enumerate(pairwise(states), 1):
        packed.move(diff(before, after), version)
        check(packed.event("MODIFIED", NAMES), "MODIFIED", replace(after, version=version))
        assert packed.weight == asyncio.run(PackedStream.of(after)).weight


@given(st.lists(streams, min_size=1, max_size=4), st.integers(1, 9))
def test_a_folded_stream_is_shown_whole_until_it_is_deleted(
    states: list[ImageStream], limit: int
) -> None:
    # Nothing is read from Postgres while the stream stays in the cache, and the last one does.
    folder = StreamFolder(cast(Database, None), NAMES, limit)
    blank = image_stream()

    async def follow() -> None:
        kind: Kind = "ADDED"
        for position, (before, after) in enumerate(zip([blank, *states], states, strict=False), 1):
            shown = await folder.shape(recorded(kind, position, position - 1, before, after))
            check(shown, kind, replace(after, version=position))
            kind = "MODIFIED"
        last, end = states[-1], len(states) + 1
        for previous in (end - 1, 0):
            shown = await folder.shape(recorded("DELETED", end, previous, last, blank))
            check(shown, "DELETED", replace(last, version=end))

    asyncio.run(follow())


async def test_an_event_stays_as_it_was_when_the_stream_moves_on() -> None:
    before = image_stream([registry_tag("b")], [history("b", event("one"))])
    after = image_stream([registry_tag("a")], [history("a", event("two", 2))])
    packed = await PackedStream.of(before)
    first = packed.event("ADDED", NAMES)
    packed.move(diff(before, after), 2)
    check(first, "ADDED", before)


async def test_only_tags_that_changed_are_encoded() -> None:
    tags = [f"t{n:05}" for n in range(packing._ENCODED_AT_ONCE * 2 + 1)]
    histories = [history(tag, event("one")) for tag in tags]
    before = image_stream([registry_tag(tag) for tag in tags], histories)
    packed = await PackedStream.of(before)
    kept = dict(packed._status)
    moved = {**before.status_tags, tags[7]: history(tags[7], event("two", 2), event("one"))}
    after = replace(before, status_tags=moved)
    packed.move(diff(before, after), 5)
    assert [t for t in tags if packed._status[t] is not kept[t]] == [tags[7]]
    check(packed.event("MODIFIED", NAMES), "MODIFIED", replace(after, version=5))


def test_an_event_of_a_plain_object_makes_its_line_once() -> None:
    shown = WatchEvent(3, "ADDED", {"kind": "ConfigMap"})
    assert orjson.loads(shown.json_line) == {"type": "ADDED", "object": {"kind": "ConfigMap"}}
    assert shown.json_line is shown.json_line
