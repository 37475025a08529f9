"""What `from` may say, and what is answered when it is wrong (§2.3, §3.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import (
    REGISTRY,
    alias,
    at,
    create,
    digest,
    event,
    history,
    image_stream,
    permanent,
    put,
    registry_tag,
    resolve,
)
from tagstream.streams.image_stream import (
    ImageStream,
    ImportPolicy,
    SourceKind,
    TagReference,
    TagSource,
)
from tagstream.streams.problems import InvalidStream, Problem, ProblemKind
from tagstream.streams.sources import (
    BadSource,
    SourceQuery,
    followed_tag,
    needed_sources,
    parse_source,
)

TAG, IMAGE = SourceKind.IMAGE_STREAM_TAG, SourceKind.IMAGE_STREAM_IMAGE
ONE, TWO = digest("one"), digest("two")
FORM = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (TagSource(TAG, "3.5"), SourceQuery(TAG, "demo", "py", "3.5")),
        (TagSource(TAG, "other:3.5"), SourceQuery(TAG, "demo", "other", "3.5")),
        (TagSource(TAG, "other:3.5", "ns"), SourceQuery(TAG, "ns", "other", "3.5")),
        (TagSource(TAG, "3.5", "ns"), SourceQuery(TAG, "ns", "py", "3.5")),
        (TagSource(IMAGE, "0123456789ab"), SourceQuery(IMAGE, "demo", "py", "0123456789ab")),
        (TagSource(IMAGE, ONE), SourceQuery(IMAGE, "demo", "py", ONE)),
        (TagSource(IMAGE, f"other@{ONE}"), SourceQuery(IMAGE, "demo", "other", ONE)),
        (TagSource(IMAGE, "other@012", "ns"), SourceQuery(IMAGE, "ns", "other", "012")),
    ],
)
def test_every_form_of_a_source(source: TagSource, expected: SourceQuery) -> None:
    assert parse_source(source, "demo", "py") == expected


@pytest.mark.parametrize(
    "source",
    [
        TagSource(TAG, ""),
        TagSource(TAG, "a:b:c"),
        TagSource(TAG, ":c"),
        TagSource(TAG, "a:"),
        TagSource(TAG, f"py@{ONE}"),
        TagSource(TAG, "a@b"),
        TagSource(IMAGE, ""),
        TagSource(IMAGE, "a@b@c"),
        TagSource(IMAGE, "@b"),
        TagSource(IMAGE, "a@"),
        TagSource(IMAGE, "a:b@c"),
    ],
)
def test_every_other_form_is_refused(source: TagSource) -> None:
    with pytest.raises(BadSource) as refused:
        parse_source(source, "demo", "py")
    assert str(refused.value) == FORM
    assert needed_sources(image_stream(), [TagReference("t", source)]) == []


@pytest.mark.parametrize(
    "ref",
    [
        registry_tag("t"),
        registry_tag("t", reference=True),
        permanent("t", ONE),
        alias("t", "other:a"),
        alias("t", "a", namespace="else"),
        alias("t", "a:b:c"),
        TagReference("t"),
    ],
)
def test_what_follows_no_tag_of_its_stream(ref: TagReference) -> None:
    assert followed_tag("demo", "py", ref) is None


def test_only_sources_in_streams_are_looked_up_and_each_once() -> None:
    tags = [registry_tag("r"), TagReference("n"), alias("x", "a"), alias("y", "py:a")]
    assert needed_sources(image_stream(), tags) == [SourceQuery(TAG, "demo", "py", "a")]


def known() -> ImageStream:
    return image_stream(
        [registry_tag("a"), registry_tag("b")],
        [history("a", event("one", 1)), history("b", event("two", 1), event("one", 1))],
        generation=3,
    )


@pytest.mark.parametrize("name", [ONE, ONE[:19], ONE[7:19], f"py@{ONE[7:10]}"])
def test_a_permanent_tag_takes_the_image_once_and_now(name: str) -> None:
    after = put(known(), permanent("p", name), now=at(9))
    assert after.history("p") == history("p", event("one", 4, created=at(9)))


def problems(before: ImageStream, ref: TagReference, *others: ImageStream) -> tuple[Problem, ...]:
    with pytest.raises(InvalidStream) as refused:
        put(before, ref, *others)
    return refused.value.problems


def wrapped(detail: str, name: str, kind: ProblemKind = ProblemKind.INVALID) -> Problem:
    return Problem("spec.tags[p].from.name", kind, name, detail, is_internal=True)


def test_an_unknown_image_is_refused() -> None:
    detail = (
        'error generating tag event: imagestreamimage.image.openshift.io "sha256:ffff" not found'
    )
    assert problems(known(), permanent("p", "py@sha256:ffff")) == (
        wrapped(detail, "py@sha256:ffff"),
    )


def test_an_ambiguous_prefix_is_refused_with_the_images_it_may_mean() -> None:
    detail = (
        "error generating tag event: Operation cannot be fulfilled on "
        'imagestreamimage.image.openshift.io "sha256:": multiple images match the prefix '
        f'"sha256:": {", ".join(sorted([ONE, TWO]))}'
    )
    assert problems(known(), permanent("p", "sha256:")) == (wrapped(detail, "sha256:"),)


@pytest.mark.parametrize("ref", [alias("p", "gone:a"), permanent("p", f"gone@{ONE}")])
def test_a_missing_stream_is_refused(ref: TagReference) -> None:
    assert ref.source is not None
    expected = wrapped("", ref.source.name, ProblemKind.NOT_FOUND)
    assert problems(known(), ref) == (expected,)


def test_a_new_stream_is_no_missing_stream_to_itself() -> None:
    made = create(image_stream([alias("b", "a"), registry_tag("a")]))
    assert made.status_tags == {}
    with pytest.raises(InvalidStream) as refused:
        create(image_stream([permanent("p", "abc")]))
    assert "not found" in refused.value.problems[0].detail


@pytest.mark.parametrize(
    ("source", "others"),
    [
        (TagSource("Pod", "x"), ("spec.tags[p].from.kind", "spec.tags[p].from.name")),
        (TagSource("DockerImage", ""), ("spec.tags[p].from.name", "spec.tags[p].from.name")),
        (TagSource("DockerImage", "x", "else"), ("spec.tags[p].from.name",)),
        (TagSource(TAG, "a:b:c"), ("spec.tags[p].from.name",)),
    ],
)
def test_a_source_of_no_form_is_refused(source: TagSource, others: tuple[str, ...]) -> None:
    found = problems(known(), TagReference("p", source))
    assert found[0] == wrapped(FORM, source.name)
    assert sorted(p.field for p in found) == sorted(others)


def test_all_problems_come_at_once() -> None:
    wanted = replace(
        known(),
        spec_tags={
            "p": permanent("p", "ffff"),
            "q": alias("q", "gone:x"),
            "r": registry_tag("r", policy=ImportPolicy(import_mode="Nope")),
        },
    )
    with pytest.raises(InvalidStream) as refused:
        create(wanted)
    assert [p.field for p in refused.value.problems] == [
        "spec.tags[p].from.name",
        "spec.tags[q].from.name",
        "spec.tags[r].importPolicy.importMode",
    ]


def pushed(namespace: str = "team", name: str = "src") -> ImageStream:
    reference = f"{REGISTRY}/team/src@{ONE}"
    one = history("a", event("one", 1, reference=reference))
    return image_stream([], [one], namespace=namespace, name=name)


@pytest.mark.parametrize(
    "ref",
    [
        alias("t", "src:a", namespace="team"),
        permanent("t", f"src@{ONE}", namespace="team"),
    ],
)
def test_an_image_of_the_integrated_registry_is_pulled_through_this_stream(
    ref: TagReference,
) -> None:
    after = put(image_stream(), ref, pushed(), registry=REGISTRY)
    assert after.history("t").items[0].docker_image_reference == f"{REGISTRY}/demo/py@{ONE}"


@pytest.mark.parametrize("registry", ["", "another.example.com:5000"])
def test_an_image_of_another_registry_keeps_its_place(registry: str) -> None:
    ref = alias("t", "src:a", namespace="team")
    after = put(image_stream(), ref, pushed(), registry=registry)
    assert after.history("t").items[0].docker_image_reference == f"{REGISTRY}/team/src@{ONE}"


def test_a_reference_tag_keeps_the_place_of_its_source() -> None:
    ref = replace(alias("t", "src:a", namespace="team"), reference=True)
    after = put(image_stream(), ref, pushed(), registry=REGISTRY)
    assert after.history("t").items[0].docker_image_reference == f"{REGISTRY}/team/src@{ONE}"


def test_a_reference_to_a_registry_is_a_head_without_image() -> None:
    after = put(image_stream(), registry_tag("t", "quay.io/a/b:1", reference=True), now=at(3))
    (item,) = after.history("t").items
    assert (item.image, item.docker_image_reference) == ("", "quay.io/a/b:1")
    assert (item.created, item.generation) == (at(3), 2)


def test_the_fake_answers_as_the_store_does_for_a_missing_tag() -> None:
    query = SourceQuery(TAG, "demo", "py", "nope")
    assert resolve([query], [known()])[query].stream_exists
