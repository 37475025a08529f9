"""What a tag resolves to, and which writes move it (§3.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import (
    REGISTRY,
    digest,
    event,
    history,
    image_stream,
    pull_spec,
    put,
    registry_tag,
)
from tagstream.streams.image_stream import ReferencePolicy, TagEvent, TagReference
from tagstream.streams.pull_spec import find_moves, repository_of, resolve_pull_spec

HEAD = event("one", 1)
LOCAL = registry_tag("t", reference_policy=ReferencePolicy.LOCAL)
SOURCE = registry_tag("t")
INSIDE = f"{REGISTRY}/demo/py"


@pytest.mark.parametrize(
    ("head", "ref", "repository", "expected"),
    [
        (None, LOCAL, INSIDE, ""),
        (HEAD, None, INSIDE, pull_spec("one")),
        (HEAD, SOURCE, INSIDE, pull_spec("one")),
        (HEAD, LOCAL, INSIDE, f"{INSIDE}@{digest('one')}"),
        (HEAD, LOCAL, "", pull_spec("one")),
        (HEAD, LOCAL, "Not A Repository", pull_spec("one")),
        (replace(HEAD, image=""), LOCAL, INSIDE, pull_spec("one")),
    ],
)
def test_what_a_tag_resolves_to(
    head: TagEvent | None, ref: TagReference | None, repository: str, expected: str
) -> None:
    assert resolve_pull_spec(head, ref, repository) == expected


def test_the_integrated_registry_goes_before_the_streams_own_repository() -> None:
    assert repository_of("demo", "py", "quay.io/a/b", REGISTRY) == INSIDE
    assert repository_of("demo", "py", "quay.io/a/b", "") == "quay.io/a/b"


@pytest.mark.parametrize(("registry", "moves"), [(REGISTRY, ["t"]), ("", [])])
def test_the_policy_moves_a_tag_only_where_there_is_a_registry(
    registry: str, moves: list[str]
) -> None:
    before = image_stream([SOURCE], [history("t", HEAD)])
    after = put(before, LOCAL)
    assert after.status_tags == before.status_tags
    assert [move.tag for move in find_moves(before, after, registry)] == moves


def test_the_streams_repository_moves_its_local_tags() -> None:
    before = image_stream([LOCAL], [history("t", HEAD)])
    after = replace(before, docker_image_repository="quay.io/a/b")
    (move,) = find_moves(before, after, "")
    assert (move.old_pull_spec, move.new_pull_spec) == (
        pull_spec("one"),
        f"quay.io/a/b@{digest('one')}",
    )


def test_a_generation_that_catches_up_is_no_move() -> None:
    before = image_stream([SOURCE], [history("t", HEAD)])
    after = image_stream([SOURCE], [history("t", event("one", 9))])
    assert find_moves(before, after, REGISTRY) == []


def test_moves_come_by_name_with_both_sides() -> None:
    before = image_stream([], [history("z", HEAD), history("gone", HEAD)])
    after = image_stream([], [history("z", event("two", 2)), history("a", HEAD)])
    moves = find_moves(before, after, "")
    assert [(m.tag, m.old_pull_spec, m.new_pull_spec) for m in moves] == [
        ("a", "", pull_spec("one")),
        ("gone", pull_spec("one"), ""),
        ("z", pull_spec("one"), pull_spec("two")),
    ]
