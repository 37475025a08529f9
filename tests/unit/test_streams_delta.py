"""Deltas: what a write changed, applied forwards and backwards."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from fakes.stream_strategies import streams
from fakes.streams import at, condition, event, history, image_stream, registry_tag
from tagstream.streams.delta import apply, diff
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import (
    condition_from_json,
    condition_to_json,
    delta_from_json,
    delta_to_json,
    event_from_json,
    event_to_json,
    format_time,
    metadata_from_json,
    metadata_to_json,
    parse_time,
    reference_from_json,
    reference_to_json,
)


@given(streams, streams)
def test_a_delta_leads_from_before_to_after_and_back(
    before: ImageStream, after: ImageStream
) -> None:
    delta = diff(before, after)
    assert apply(before, delta) == after
    assert apply(after, delta.inverted()) == before
    assert delta.inverted().inverted() == delta
    assert bool(delta) is (before != after)


@given(streams, streams)
def test_a_delta_survives_the_journal(before: ImageStream, after: ImageStream) -> None:
    delta = diff(before, after)
    assert delta_from_json(json.loads(json.dumps(delta_to_json(delta)))) == delta


@given(streams)
def test_every_part_survives_its_json(stream: ImageStream) -> None:
    assert metadata_from_json(metadata_to_json(stream.metadata)) == stream.metadata
    for ref in stream.spec_tags.values():
        assert reference_from_json(reference_to_json(ref)) == ref
    for one in stream.status_tags.values():
        assert tuple(event_from_json(event_to_json(item)) for item in one.items) == one.items
        read = tuple(condition_from_json(condition_to_json(c)) for c in one.conditions)
        assert read == one.conditions


def test_a_move_in_a_long_history_is_small() -> None:
    old = [event("one", n) for n in range(5000, 0, -1)]
    before = image_stream([registry_tag("a")], [history("a", *old)])
    after = image_stream([registry_tag("a")], [history("a", event("two", 9), *old)])
    change = diff(before, after).status["a"]
    assert (change.removed, change.added) == ((), (event("two", 9),))


def test_a_confirmed_generation_replaces_the_head_only() -> None:
    before = image_stream([], [history("a", event("two", 2), event("one", 1))])
    after = image_stream([], [history("a", event("two", 5), event("one", 1))])
    change = diff(before, after).status["a"]
    assert (change.removed, change.added) == ((event("two", 2),), (event("two", 5),))


def test_a_delta_of_heads_applies_to_the_whole_history() -> None:
    head = diff(
        image_stream([], [history("a", event("two", 2))]),
        image_stream([], [history("a", event("three", 3), event("two", 2))]),
    )
    whole = image_stream([], [history("a", event("two", 2), event("one", 1))])
    assert [item.generation for item in apply(whole, head).history("a").items] == [3, 2, 1]


def test_a_history_that_became_empty_is_gone() -> None:
    before = image_stream([], [history("a", conditions=[condition()])])
    assert apply(before, diff(before, image_stream())).status_tags == {}


def test_the_version_is_not_the_deltas_business() -> None:
    assert not diff(image_stream(version=3), image_stream(version=4))


def test_times_are_utc_with_whole_seconds() -> None:
    moment = parse_time("2026-11-23T06:27:43.9+02:00")
    assert format_time(moment) == "2026-11-23T04:27:43Z"
    assert parse_time(format_time(at(5))) == at(5)
    with pytest.raises(ValueError, match="has no time zone"):
        parse_time("2026-11-23T04:27:43")
