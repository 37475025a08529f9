"""Generations of streams and tags (spec/image-api-and-import.md §3.3), step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import (
    alias,
    at,
    create,
    digest,
    event,
    failed,
    heads,
    history,
    image_stream,
    imported,
    permanent,
    put,
    registry_tag,
    spec_generations,
    update,
)
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    ImportPolicy,
    ReferencePolicy,
    StreamMetadata,
    TagReference,
    TagSource,
)
from tagstream.streams.imports import decide_import, needs_import
from tagstream.streams.spec_write import is_changed
from tagstream.streams.tags import without_reference

TAG = "3.5"


def numbers(stream: ImageStream) -> tuple[int, int | None, int | None, int | None]:
    """Generation of the stream, of the tag's reference, of its head, of its condition."""
    one = stream.history(TAG)
    return (
        stream.generation,
        stream.spec_tags[TAG].generation,
        one.head.generation if one.head else None,
        one.conditions[0].generation if one.conditions else None,
    )


def test_the_worked_numbers_of_the_specification() -> None:
    again = registry_tag(TAG, "docker.io/python:3.6", generation=0)

    stream = create(image_stream([registry_tag(TAG)], generation=0))
    assert numbers(stream) == (1, 1, None, None)

    stream = decide_import(stream, [imported(TAG, "one")], at(1), "")
    assert numbers(stream) == (2, 2, 2, None)

    same = decide_import(stream, [imported(TAG, "one")], at(2), "")
    assert same is stream

    stream = put(stream, again)
    assert numbers(stream) == (3, 3, 2, None)
    assert needs_import(stream, TAG)

    stream = decide_import(stream, [failed(TAG, "docker.io/python:3.6")], at(3), "")
    assert numbers(stream) == (4, 4, 2, 4)
    assert not needs_import(stream, TAG)

    stream = put(stream, again)
    assert numbers(stream) == (5, 5, 2, 4)
    assert needs_import(stream, TAG)

    stream = decide_import(stream, [imported(TAG, "two", "docker.io/python:3.6")], at(4), "")
    assert numbers(stream) == (6, 6, 6, None)
    assert heads(stream) == {TAG: [(digest("two"), 6), (digest("one"), 2)]}

    stream = put(stream, again)
    assert numbers(stream) == (7, 7, 6, None)
    stream = decide_import(stream, [imported(TAG, "two", "docker.io/python:3.6")], at(5), "")
    assert numbers(stream) == (8, 8, 8, None)
    assert len(stream.history(TAG).items) == 2
    head = stream.head(TAG)
    assert head is not None
    assert head.created == at(4)


def stored() -> ImageStream:
    """A stream of generation 5 whose tag was imported at 3."""
    return image_stream(
        [registry_tag(TAG, generation=3)], [history(TAG, event("one", 3))], generation=5
    )


@pytest.mark.parametrize("sent", [7, 3, 1, None, -1])
def test_a_user_cannot_choose_a_generation(sent: int | None) -> None:
    ref = replace(stored().spec_tags[TAG], generation=sent)
    assert put(stored(), ref) == stored()


def test_a_user_cannot_choose_the_generation_of_a_changed_tag_either() -> None:
    after = put(stored(), registry_tag(TAG, "quay.io/acme/python:4", generation=99))
    assert (after.generation, spec_generations(after)) == (6, {TAG: 6})


def test_generation_zero_asks_for_an_import() -> None:
    after = put(stored(), replace(stored().spec_tags[TAG], generation=0))
    assert (after.generation, spec_generations(after)) == (6, {TAG: 6})
    assert needs_import(after, TAG)


@pytest.mark.parametrize(
    "changed",
    [
        registry_tag(TAG, policy=ImportPolicy(scheduled=True)),
        registry_tag(TAG, policy=ImportPolicy(insecure=True)),
        registry_tag(TAG, reference_policy=ReferencePolicy.LOCAL),
        registry_tag(TAG, annotations={"description": "x"}),
        TagReference(TAG, None),
    ],
    ids=["scheduled", "insecure", "referencePolicy", "annotations", "no from"],
)
def test_what_does_not_name_another_image_keeps_the_tags_generation(changed: TagReference) -> None:
    after = put(stored(), changed)
    assert (after.generation, spec_generations(after)) == (6, {TAG: 3})
    assert not needs_import(after, TAG)
    assert after.status_tags == stored().status_tags


@pytest.mark.parametrize(
    "changed",
    [
        registry_tag(TAG, "quay.io/acme/python:4"),
        registry_tag(TAG, policy=ImportPolicy(import_mode=ImportMode.PRESERVE_ORIGINAL)),
        replace(registry_tag(TAG), source=TagSource("ImageStreamTag", "quay.io/acme/python:3.5")),
        replace(registry_tag(TAG), source=TagSource("DockerImage", "x", "elsewhere")),
        registry_tag(TAG, reference=True),
    ],
    ids=["from.name", "importMode", "from.kind", "from.namespace", "reference"],
)
def test_what_names_another_image_moves_the_tags_generation(changed: TagReference) -> None:
    assert is_changed(stored().spec_tags[TAG], changed, "demo")


def test_another_import_mode_starts_an_import() -> None:
    mode = ImportPolicy(import_mode=ImportMode.PRESERVE_ORIGINAL)
    after = put(stored(), registry_tag(TAG, policy=mode, generation=3))
    assert spec_generations(after) == {TAG: 6}
    assert needs_import(after, TAG)


def test_a_blank_source_is_no_change_of_the_source() -> None:
    blank = TagReference(TAG, TagSource("", ""))
    assert not is_changed(stored().spec_tags[TAG], blank, "demo")


def test_a_namespace_that_is_the_streams_own_changes_nothing() -> None:
    before = image_stream([alias("x", "a")], generation=4)
    assert not is_changed(alias("x", "a"), alias("x", "a", namespace="demo"), "demo")
    after = put(before, alias("x", "a", namespace="demo"))
    assert (after.generation, spec_generations(after)) == (5, {"x": 1})


def test_a_change_of_the_kind_alone_counts() -> None:
    before = image_stream(
        [permanent("x", digest("one"))], [history("a", event("one", 1))], generation=2
    )
    after = put(before, alias("x", "a"))
    assert spec_generations(after) == {"x": 3}
    assert heads(after)["x"] == [(digest("one"), 3)]


def test_metadata_alone_bumps_nothing() -> None:
    labelled = replace(stored(), metadata=StreamMetadata(labels={"a": "b"}))
    after = update(stored(), labelled)
    assert after == labelled


def test_the_lookup_policy_bumps_the_stream_and_no_tag() -> None:
    after = update(stored(), replace(stored(), lookup_local=True))
    assert (after.generation, spec_generations(after)) == (6, {TAG: 3})


def test_creation_gives_generation_one_whatever_was_sent() -> None:
    wanted = image_stream([registry_tag("a", generation=9), registry_tag("b", generation=0)])
    made = create(replace(wanted, generation=12))
    assert (made.generation, spec_generations(made)) == (1, {"a": 1, "b": 1})


def test_a_stream_of_generation_zero_becomes_one_on_its_first_update() -> None:
    blank = image_stream(generation=0)
    assert update(blank, blank).generation == 1


def test_removing_a_reference_keeps_what_was_observed() -> None:
    after = update(stored(), without_reference(stored(), TAG))
    assert after.generation == 6
    assert not after.spec_tags
    assert after.status_tags == stored().status_tags


def test_a_pending_tag_still_shows_the_old_image() -> None:
    after = put(stored(), registry_tag(TAG, "quay.io/acme/python:4", generation=0))
    assert numbers(after) == (6, 6, 3, None)
    assert heads(after) == {TAG: [(digest("one"), 3)]}


def test_blank_histories_are_dropped() -> None:
    before = image_stream([registry_tag("a")], [history("a")], generation=2)
    assert put(before, registry_tag("a")).status_tags == {}
