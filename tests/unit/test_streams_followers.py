"""Tags that follow other tags (spec/image-api-and-import.md §3.8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import (
    alias,
    at,
    create,
    delete,
    digest,
    event,
    failed,
    heads,
    history,
    image_stream,
    imported,
    permanent,
    pull_spec,
    put,
    registry_tag,
    update,
)
from tagstream.streams.followers import followers_by_tag, propagate
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.imports import decide_import, needs_import
from tagstream.streams.status_write import decide_mapping

ONE, TWO = digest("one"), digest("two")


def chain() -> ImageStream:
    """c follows b follows a, all at the image "one"."""
    return image_stream(
        [registry_tag("a"), alias("b", "a"), alias("c", "py:b")],
        [history(tag, event("one", 1)) for tag in "abc"],
        generation=5,
    )


def test_an_alias_copies_the_head_with_the_generation_of_the_tag() -> None:
    before = image_stream([registry_tag("a")], [history("a", event("one", 1))], generation=5)
    after = put(before, alias("b", "a", generation=None), now=at(9))
    assert after.history("b") == history("b", event("one", 6))
    assert after.history("a") == history("a", event("one", 6)), "as the recordings have it"


def test_a_source_that_waits_for_an_import_keeps_its_generation() -> None:
    waiting = registry_tag("a", generation=4)
    before = image_stream([waiting], [history("a", event("one", 1))], generation=5)
    after = put(before, alias("b", "a", generation=None), now=at(9))
    assert after.history("a") == before.history("a")
    assert needs_import(after, "a")


def test_a_chain_moves_in_one_write() -> None:
    after = decide_import(chain(), [imported("a", "two")], at(9), "")
    assert heads(after) == {tag: [(TWO, 6), (ONE, 1)] for tag in "abc"}
    assert after.head("c") == after.head("a")


def test_a_push_moves_followers_too_and_bumps_nothing() -> None:
    after = decide_mapping(chain(), "a", event("two", 5))
    assert after.generation == 5
    assert heads(after) == {tag: [(TWO, 5), (ONE, 1)] for tag in "abc"}


def test_a_follower_takes_over_a_confirmed_generation() -> None:
    after = decide_mapping(chain(), "a", event("one", 5))
    assert heads(after) == {tag: [(ONE, 5)] for tag in "abc"}


def test_a_loop_ends_and_is_no_error() -> None:
    stream = image_stream([alias("a", "b")], generation=1)
    stream = put(stream, alias("b", "a"))
    assert stream.status_tags == {}
    stream = decide_mapping(stream, "a", event("one", 2))
    assert heads(stream) == {"a": [(ONE, 2)], "b": [(ONE, 2)]}
    stream = decide_mapping(stream, "b", event("two", 2))
    assert heads(stream) == {tag: [(TWO, 2), (ONE, 2)] for tag in "ab"}


def test_a_tag_may_follow_itself() -> None:
    before = image_stream([], [history("a", event("one", 1))], generation=1)
    after = put(before, alias("a", "a"))
    assert heads(after) == {"a": [(ONE, 2)]}
    assert heads(decide_mapping(after, "a", event("two", 2))) == {"a": [(TWO, 2), (ONE, 2)]}


def test_a_follower_of_nothing_yet_is_filled_later() -> None:
    stream = put(image_stream([registry_tag("a")]), alias("b", "a"))
    assert stream.status_tags == {}
    stream = decide_import(stream, [imported("a", "one")], at(9), "")
    assert heads(stream) == {"a": [(ONE, 3)], "b": [(ONE, 3)]}


def test_a_new_stream_may_follow_itself() -> None:
    made = create(image_stream([alias("b", "a"), registry_tag("a", "r.io/x:1", reference=True)]))
    assert [item.docker_image_reference for item in made.history("b").items] == ["r.io/x:1"]


def test_another_streams_tag_is_copied_and_never_followed() -> None:
    other = image_stream([], [history("x", event("one", 7))], name="other")
    stream = put(image_stream(), alias("b", "other:x"), other)
    assert heads(stream) == {"b": [(ONE, 2)]}
    assert followers_by_tag(stream) == {}


@pytest.mark.parametrize("name", ["a", "py:a"])
@pytest.mark.parametrize("namespace", ["", "demo"])
def test_both_ways_to_name_the_own_tag_follow(name: str, namespace: str) -> None:
    stream = image_stream([alias("b", name, namespace=namespace)])
    assert followers_by_tag(stream) == {"a": ["b"]}


def test_the_same_name_in_another_namespace_is_not_followed() -> None:
    assert followers_by_tag(image_stream([alias("b", "py:a", namespace="else")])) == {}


def test_deleting_the_source_leaves_the_follower_as_it_is() -> None:
    after = delete(chain(), "a")
    assert heads(after) == {"b": [(ONE, 1)], "c": [(ONE, 1)]}
    assert set(after.spec_tags) == {"b", "c"}


def test_an_import_onto_a_follower_ends_its_following() -> None:
    after = decide_import(chain(), [imported("b", "two", "quay.io/acme/python:9")], at(9), "")
    source = after.spec_tags["b"].source
    assert source is not None
    assert (source.kind, source.name) == ("DockerImage", "quay.io/acme/python:9")
    assert heads(after)["a"] == [(ONE, 1)]
    assert heads(after)["c"] == [(TWO, 6), (ONE, 1)]


def test_a_failed_import_onto_a_follower_leaves_it_following() -> None:
    after = decide_import(chain(), [failed("b")], at(9), "")
    assert after.spec_tags == chain().spec_tags
    assert after.generation == 5
    (condition,) = after.history("b").conditions
    assert condition.generation == 5
    assert heads(after) == heads(chain())


def test_tags_that_move_in_one_write_end_where_their_source_is() -> None:
    """A whole PUT moves the source `z`, and makes `a` follow it and `c` follow `a`."""
    before = image_stream(
        [permanent("z", ONE)],
        [history("z", event("one", 1)), history("y", event("two", 1))],
        generation=1,
    )
    tags = [permanent("z", TWO), alias("a", "z"), alias("c", "a")]
    wanted = replace(before, spec_tags={ref.name: ref for ref in tags})
    after = update(before, wanted)
    assert {tag: after.history(tag).items[0].image for tag in "acz"} == dict.fromkeys("acz", TWO)


def test_of_a_chain_that_moved_in_two_places_the_upper_one_wins() -> None:
    tags = [alias("b", "a"), alias("c", "b"), alias("d", "c")]
    stream = image_stream(
        [registry_tag("a"), *tags],
        [history("a", event("two", 2)), history("c", event("one", 1))],
        generation=2,
    )
    for moved in (["a", "c"], ["c", "a"]):
        assert heads(propagate(stream, moved))["d"][0] == (TWO, 2)


def test_a_long_chain_and_a_wide_one_cost_little() -> None:
    size = 3000
    deep = [alias(f"t{i + 1}", f"t{i}") for i in range(size)]
    wide = [alias(f"w{i}", f"t{size}") for i in range(size)]
    stream = image_stream([*deep, *wide], [history("t0", event("one", 1))])
    after = propagate(stream, [f"w{i}" for i in range(size)] + ["t0"])
    assert len(after.status_tags) == 2 * size + 1
    assert after.head("w7") == event("one", 1)


def test_the_reference_of_a_follower_is_its_sources() -> None:
    after = decide_mapping(chain(), "a", event("two", 5, reference="r.example/py@x"))
    assert {after.history(t).items[0].docker_image_reference for t in "abc"} == {"r.example/py@x"}
    assert pull_spec("one") == after.history("c").items[1].docker_image_reference
