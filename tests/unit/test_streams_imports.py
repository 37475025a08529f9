"""What a finished import does to a stream (§3.6, §6.3 step 10 to 12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import (
    NOW,
    alias,
    at,
    condition,
    digest,
    event,
    failed,
    heads,
    history,
    image_stream,
    imported,
    pull_spec,
    put,
    registry_tag,
    spec_generations,
)
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    ImportPolicy,
    ReferencePolicy,
    StreamMetadata,
    TagReference,
)
from tagstream.streams.imports import (
    CHECK_ANNOTATION,
    decide_import,
    needs_import,
    tags_needing_import,
)

ONE, TWO = digest("one"), digest("two")
CHECKED = StreamMetadata(annotations={CHECK_ANNOTATION: "2026-11-23T04:27:43Z"})


def stored(*tags: TagReference, generation: int = 5) -> ImageStream:
    """A stream that was checked, with a tag `a` imported at generation 3."""
    return image_stream(
        [registry_tag("a", generation=3), *tags],
        [history("a", event("one", 3))],
        generation=generation,
        metadata=CHECKED,
    )


def test_a_new_stream_has_generation_one_everywhere() -> None:
    after = decide_import(
        image_stream(generation=0), [imported("a", "one"), failed("b")], at(7), ""
    )
    assert (after.generation, spec_generations(after)) == (1, {"a": 1, "b": 1})
    assert after.history("a") == history("a", event("one", 1, created=at(7)))
    (found,) = after.history("b").conditions
    assert (found.generation, found.reason, found.message) == (1, "NotFound", "not found")
    assert after.metadata.annotations == {CHECK_ANNOTATION: "2026-11-23T04:27:50Z"}


def test_nothing_new_is_no_write() -> None:
    assert decide_import(stored(), [imported("a", "one")], at(7), "") == stored()


def test_a_stream_that_was_never_checked_is_marked_even_if_nothing_is_new() -> None:
    before = replace(stored(), metadata=StreamMetadata())
    after = decide_import(before, [imported("a", "one")], at(7), "")
    assert after == replace(
        before, metadata=StreamMetadata(annotations={CHECK_ANNOTATION: "2026-11-23T04:27:50Z"})
    )


def test_a_new_image_is_put_on_top() -> None:
    after = decide_import(stored(), [imported("a", "two")], at(7), "")
    assert (after.generation, spec_generations(after)) == (6, {"a": 6})
    assert after.history("a").items == (event("two", 6, created=at(7)), event("one", 3))


def test_the_same_image_under_another_name_is_corrected_in_place() -> None:
    moved = imported("a", "one", reference=pull_spec("one", "quay.io/else/python"))
    after = decide_import(stored(), [moved], at(7), "")
    (item,) = after.history("a").items
    assert (item.created, item.generation) == (NOW, 6)
    assert item.docker_image_reference == pull_spec("one", "quay.io/else/python")


def test_a_forced_import_of_the_same_image_confirms_the_generation() -> None:
    before = put(stored(), replace(stored().spec_tags["a"], generation=0))
    after = decide_import(before, [imported("a", "one")], at(7), "")
    assert (after.generation, heads(after)) == (7, {"a": [(ONE, 7)]})
    assert not needs_import(after, "a")


def test_success_replaces_the_source_and_keeps_the_users_wishes() -> None:
    ref = replace(
        registry_tag("a", reference_policy=ReferencePolicy.LOCAL, annotations={"k": "v"}),
        generation=3,
    )
    asked = imported("a", "two", "quay.io/other:9", policy=ImportPolicy(insecure=True))
    after = decide_import(put(stored(), ref), [asked], at(7), "").spec_tags["a"]
    assert after.source is not None
    assert after.source.name == "quay.io/other:9"
    assert after.import_policy.insecure
    assert after.reference_policy == ReferencePolicy.LOCAL
    assert after.annotations == {"k": "v"}


def test_an_unchanged_image_still_takes_over_the_import_policy() -> None:
    asked = imported("a", "one", "quay.io/other:9", policy=ImportPolicy(insecure=True))
    after = decide_import(stored(), [asked], at(7), "")
    assert after.spec_tags["a"] == registry_tag(
        "a", generation=3, policy=ImportPolicy(insecure=True)
    )
    assert (after.generation, heads(after)) == (6, {"a": [(ONE, 3)]})


def test_another_mode_that_finds_the_same_image_is_settled_by_the_next_import() -> None:
    mode = ImportPolicy(import_mode=ImportMode.PRESERVE_ORIGINAL)
    after = decide_import(stored(), [imported("a", "one", policy=mode)], at(7), "")
    assert needs_import(after, "a")
    settled = decide_import(after, [imported("a", "one", policy=mode)], at(8), "")
    assert not needs_import(settled, "a")
    assert decide_import(settled, [imported("a", "one", policy=mode)], at(9), "") == settled


def test_a_failure_keeps_the_image_and_its_condition_tells_why() -> None:
    after = decide_import(stored(), [failed("a")], at(7), "")
    assert (after.generation, spec_generations(after)) == (6, {"a": 6})
    expected = condition(6, message="not found", since=at(7))
    assert after.history("a") == history("a", event("one", 3), conditions=[expected])
    assert not needs_import(after, "a")


def test_the_same_failure_three_times_is_one_write() -> None:
    after = decide_import(stored(), [failed("a")], at(7), "")
    assert decide_import(after, [failed("a")], at(8), "") == after
    assert decide_import(after, [failed("a")], at(9), "") == after


def test_another_failure_is_a_new_condition() -> None:
    after = decide_import(stored(), [failed("a")], at(7), "")
    after = decide_import(after, [failed("a", reason="Unauthorized")], at(8), "")
    expected = condition(7, reason="Unauthorized", message="not found", since=at(8))
    assert after.history("a").conditions == (expected,)


def test_a_forced_retry_that_fails_alike_does_not_stay_pending() -> None:
    after = decide_import(stored(), [failed("a")], at(7), "")
    forced = put(after, replace(after.spec_tags["a"], generation=0))
    assert needs_import(forced, "a")
    again = decide_import(forced, [failed("a")], at(8), "")
    assert not needs_import(again, "a")
    assert again.generation == forced.generation
    assert again.history("a").conditions == (condition(7, message="not found", since=at(7)),)


def test_success_removes_the_condition_even_of_the_same_image() -> None:
    after = decide_import(stored(), [failed("a")], at(7), "")
    after = decide_import(after, [imported("a", "one")], at(8), "")
    assert after.history("a").conditions == ()
    assert heads(after) == {"a": [(ONE, 7)]}


def test_a_failure_makes_the_tag_but_never_changes_its_source() -> None:
    after = decide_import(stored(), [failed("b", "r.io/x:1"), failed("a", "r.io/y:1")], at(7), "")
    assert after.spec_tags["b"] == registry_tag("b", "r.io/x:1", generation=6)
    assert after.spec_tags["a"] == registry_tag("a", generation=6)


def test_a_failed_tag_of_a_repository_has_a_condition_only() -> None:
    after = decide_import(stored(), [failed("b", creates_tag=False)], at(7), "")
    assert set(after.spec_tags) == {"a"}
    (found,) = after.history("b").conditions
    assert found.generation == after.generation == 5


def test_a_tag_made_after_such_a_failure_is_imported() -> None:
    after = decide_import(stored(), [failed("b", creates_tag=False)], at(7), "")
    wished = put(after, registry_tag("b", generation=0))
    assert tags_needing_import(wished) == ["b"]


def test_good_and_bad_come_in_one_write() -> None:
    after = decide_import(stored(), [imported("b", "two"), failed("c")], at(7), "")
    assert (after.generation, spec_generations(after)) == (6, {"a": 3, "b": 6, "c": 6})
    assert heads(after) == {"a": [(ONE, 3)], "b": [(TWO, 6)], "c": []}


def test_two_sources_for_one_tag_are_applied_in_order() -> None:
    after = decide_import(stored(), [imported("b", "one"), imported("b", "two")], at(7), "")
    assert heads(after)["b"] == [(TWO, 6), (ONE, 6)]


@pytest.mark.parametrize(
    ("ref", "needed"),
    [
        (registry_tag("a", generation=4), True),
        (registry_tag("a", generation=3), False),
        (registry_tag("a", generation=None), False),
        (registry_tag("a", generation=4, reference=True), False),
        (replace(alias("a", "b"), generation=4), False),
        (TagReference("a", generation=4), False),
    ],
)
def test_what_needs_an_import(ref: TagReference, needed: bool) -> None:
    before = image_stream([ref], [history("a", event("one", 3))])
    assert needs_import(before, "a") is needed
    assert tags_needing_import(before) == (["a"] if needed else [])


def test_a_failure_of_the_same_generation_is_an_answer_too() -> None:
    before = image_stream(
        [registry_tag("a", generation=4)],
        [history("a", event("one", 3), conditions=[condition(4)])],
    )
    assert not needs_import(before, "a")
    assert not needs_import(before, "missing")
