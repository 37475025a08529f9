"""Writes of the status alone: pushes, pruning, deleted tags (§1.4, §3.9, §5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import (
    at,
    condition,
    delete,
    digest,
    event,
    heads,
    history,
    image_stream,
    registry_tag,
)
from tagstream.streams.image_stream import ImageStream, TagHistory
from tagstream.streams.problems import InvalidStream
from tagstream.streams.status_write import decide_mapping, decide_status_update
from tagstream.streams.tags import without_tag

ONE, TWO = digest("one"), digest("two")


def stored() -> ImageStream:
    return image_stream(
        [registry_tag("a", generation=4), registry_tag("b")],
        [history("a", event("two", 4), event("one", 2)), history("b", event("one", 1))],
        generation=5,
    )


def with_history(one: TagHistory) -> ImageStream:
    return replace(stored(), status_tags={**stored().status_tags, one.tag: one})


def test_a_push_to_a_new_tag_makes_no_reference() -> None:
    after = decide_mapping(stored(), "new", event("one", 5))
    assert heads(after)["new"] == [(ONE, 5)]
    assert (after.generation, after.spec_tags) == (5, stored().spec_tags)


def test_the_same_push_twice_is_no_write() -> None:
    after = decide_mapping(stored(), "new", event("one", 5))
    assert decide_mapping(after, "new", event("one", 5, created=at(9))) is after


def test_the_same_image_from_elsewhere_is_rewritten_in_place() -> None:
    after = decide_mapping(stored(), "b", event("one", 5, reference="r.io/x@y"))
    assert [i.docker_image_reference for i in after.history("b").items] == ["r.io/x@y"]


def test_a_push_clears_the_failure() -> None:
    before = with_history(history("b", event("one", 1), conditions=[condition()]))
    assert not decide_mapping(before, "b", event("two", 5)).history("b").conditions


def test_pruning_shortens_a_history_and_touches_nothing_else() -> None:
    after = decide_status_update(stored(), with_history(history("a", event("two", 4))))
    assert heads(after) == {"a": [(TWO, 4)], "b": [(ONE, 1)]}
    assert replace(after, status_tags=stored().status_tags) == stored()


def test_the_status_path_changes_no_spec_and_no_metadata() -> None:
    wanted = replace(stored(), generation=9, lookup_local=True, spec_tags={})
    assert decide_status_update(stored(), wanted) == stored()


def test_an_empty_history_is_dropped() -> None:
    assert set(decide_status_update(stored(), with_history(history("a"))).status_tags) == {"b"}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (history("a", event("three", 0)), 4),
        (history("a", event("two", 0)), 5),
        (history("new", event("two", 0)), 5),
        (history("a", event("three", 3)), 3),
    ],
    ids=["moved", "confirmed", "new", "given"],
)
def test_a_head_without_generation_gets_the_one_it_belongs_to(
    one: TagHistory, expected: int
) -> None:
    head = decide_status_update(stored(), with_history(one)).head(one.tag)
    assert head is not None
    assert head.generation == expected


def test_of_several_conditions_the_last_stays() -> None:
    several = [condition(1), condition(2, reason="Unauthorized")]
    one = history("a", event("two", 4), conditions=several)
    after = decide_status_update(stored(), with_history(one))
    assert after.history("a").conditions == (several[1],)


@pytest.mark.parametrize(
    ("reference", "detail"),
    [("", ""), ("Not A Reference", "invalid reference format")],
)
def test_a_new_item_must_have_a_reference_that_parses(reference: str, detail: str) -> None:
    bad = replace(event("x", 1), docker_image_reference=reference)
    with pytest.raises(InvalidStream) as refused:
        decide_status_update(stored(), with_history(history("a", bad, event("two", 4))))
    (problem,) = refused.value.problems
    assert problem.field == "status.tags[a].items[0].dockerImageReference"
    assert problem.detail == detail


def test_an_item_that_was_there_is_not_judged_again() -> None:
    bad = replace(event("x", 1), docker_image_reference="Not A Reference")
    before = with_history(history("a", bad))
    wanted = replace(before, status_tags={"a": history("a", event("two", 5), bad)})
    assert len(decide_status_update(before, wanted).history("a").items) == 2


def test_deleting_a_tag_removes_wish_and_history_and_leaves_the_others() -> None:
    after = delete(stored(), "a")
    assert (after.generation, set(after.spec_tags), set(after.status_tags)) == (6, {"b"}, {"b"})


def test_deleting_a_tag_that_was_only_pushed_bumps_nothing() -> None:
    before = decide_mapping(stored(), "new", event("one", 5))
    assert delete(before, "new") == stored()


def test_deleting_the_last_tag_leaves_an_empty_stream() -> None:
    after = delete(delete(stored(), "a"), "b")
    assert (after.generation, dict(after.spec_tags), dict(after.status_tags)) == (7, {}, {})


def test_there_is_nothing_to_delete_of_a_missing_tag() -> None:
    assert without_tag(stored(), "nope") is None
