"""One observation and one tag's history (spec/image-api-and-import.md §3.6, §3.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import NOW, at, condition, event, history
from tagstream.streams.image_stream import TagEvent, TagHistory
from tagstream.streams.tag_history import (
    add_event,
    clear_conditions,
    has_same_condition,
    import_failure,
    set_condition,
)

OLDER = event("old", 1)
HEAD = TagEvent(NOW, "r/x@1", "one", 3)


def stack(*, failing: bool = True) -> TagHistory:
    return history("t", HEAD, OLDER, conditions=[condition(3)] if failing else [])


def test_same_reference_image_and_generation_change_nothing() -> None:
    before = stack()
    assert add_event(before, replace(HEAD, created=at(9))) is before


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (TagEvent(at(9), "r/x@1", "one", 4), TagEvent(NOW, "r/x@1", "one", 4)),
        (TagEvent(at(9), "r/x@1", "two", 4), TagEvent(NOW, "r/x@1", "two", 4)),
        (TagEvent(at(9), "r/x@1", "two", 3), TagEvent(NOW, "r/x@1", "two", 3)),
        (TagEvent(at(9), "r/y@1", "one", 4), TagEvent(NOW, "r/y@1", "one", 4)),
        (TagEvent(at(9), "r/y@1", "one", 3), TagEvent(NOW, "r/y@1", "one", 3)),
    ],
    ids=["generation", "image", "image alone", "reference", "reference alone"],
)
def test_half_of_the_head_confirmed_is_rewritten_in_place(
    new: TagEvent, expected: TagEvent
) -> None:
    assert add_event(stack(), new) == history("t", expected, OLDER)


def test_another_image_is_put_on_top() -> None:
    new = TagEvent(at(9), "r/x@2", "two", 4)
    assert add_event(stack(), new) == history("t", new, HEAD, OLDER)


def test_a_rollback_puts_an_older_image_on_top_again() -> None:
    back = replace(OLDER, created=at(9), generation=5)
    assert add_event(stack(failing=False), back).items == (back, HEAD, OLDER)


def test_the_first_event_clears_the_failure_before_it() -> None:
    assert add_event(history("t", conditions=[condition()]), HEAD) == history("t", HEAD)


def test_a_failure_without_words_gets_some() -> None:
    assert import_failure("", "", 4, NOW) == condition(
        4, reason="", message="unknown error prevented import"
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (condition(7, since=at(9)), True),
        (condition(3, reason="Unauthorized"), False),
        (condition(3, message="else"), False),
    ],
)
def test_a_failure_is_the_same_whenever_it_was(other: object, same: bool) -> None:
    assert has_same_condition(stack(), other) is same  # type: ignore[arg-type]


def test_a_condition_replaces_the_one_before_and_no_item() -> None:
    new = condition(9, reason="Forbidden")
    assert set_condition(stack(), new) == history("t", HEAD, OLDER, conditions=[new])
    assert clear_conditions(stack()) == history("t", HEAD, OLDER)
    clean = stack(failing=False)
    assert clear_conditions(clean) is clean


def test_the_observed_generation_is_the_newest_tried() -> None:
    assert history("t").observed_generation == 0
    assert history("t", event("x", 3), conditions=[condition(5)]).observed_generation == 5
    assert history("t", event("x", 6), conditions=[condition(5)]).observed_generation == 6
