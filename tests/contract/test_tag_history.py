"""A tag's history out of a real Postgres, after real writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import alias, at, digest, event, imported, pull_spec, put, registry_tag
from fakes.tag_story import NAME, NS, Story
from tagstream.store.database import Database
from tagstream.store.tag_history import (
    list_told_streams,
    list_told_tags,
    load_meaning,
    load_tag_history,
)
from tagstream.store.tag_moves import Departure, Move
from tagstream.streams.imports import decide_import
from tagstream.streams.status_write import decide_mapping

NAMES = {digest(name): name for name in "abcdef"}


@pytest.fixture
async def story(database: Database) -> Story:
    return Story(database)


def words(moves: tuple[Move, ...]) -> list[str]:
    """`jane: a moved b` for each move."""
    return [f"{move.actor}: {_name(move.old)} {move.kind} {_name(move.new)}" for move in moves]


def _name(item: object) -> str:
    return NAMES.get(getattr(item, "image", ""), "-")


async def test_who_created_moved_and_rolled_back_a_tag_is_told_newest_first(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a", "ann")
    await story.tag("prod", "b", "bob")
    await story.tag("prod", "a", "eve")
    found = await story.told("prod")
    assert words(found.moves) == ["eve: b rolled back a", "bob: a moved b", "ann: - set a"]
    assert [move.at for move in found.moves] == [at(40), at(30), at(20)]
    assert (found.stream_exists, found.earlier_streams, found.older) == (True, 0, None)
    assert found.current is not None
    assert (found.current.image, found.current.reference) == (digest("a"), pull_spec("a"))
    assert found.moves[0].command == story.commands[-1].id


async def test_an_import_and_the_tags_that_follow_it_move_by_one_command(story: Story) -> None:
    await story.create()
    await story.write(lambda s: put(s, registry_tag("latest", generation=None)), "put")
    await story.write(lambda s: put(s, alias("prod", "latest", generation=None)), "put")
    arrived = imported("latest", "d")
    await story.write(
        lambda s: decide_import(s, [arrived], story.now, ""), "import.apply", "tag-tracker"
    )
    followed, source = await story.told("prod"), await story.told("latest")
    assert words(followed.moves) == words(source.moves) == ["tag-tracker: - set d"]
    assert followed.moves[0].command == source.moves[0].command


async def test_a_move_is_told_at_its_own_time_not_at_its_images(story: Story) -> None:
    await story.create()
    await story.write(lambda s: put(s, alias("prod", "1", generation=None)), "put")
    (move,) = (await story.told("prod")).moves
    assert move.new is not None
    assert (move.new.created, move.at) == (at(-60), at(20))


async def test_a_deleted_tag_is_told_with_who_deleted_it(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a")
    await story.untag("prod", "eve")
    gone = await story.told("prod")
    assert words(gone.moves) == ["eve: a tag deleted -", "jane: - set a"]
    assert gone.current is None
    await story.tag("prod", "b")
    assert words((await story.told("prod")).moves)[0] == "jane: - set b"


async def test_pruned_items_stay_in_the_story_with_who_pruned_them(story: Story) -> None:
    await story.create()
    for image in "abcd":
        await story.tag("prod", image)
    await story.prune(keep=2)
    found = await story.told("prod")
    assert words(found.moves) == [
        "jane: c moved d",
        "jane: b moved c",
        "jane: a moved b",
        "jane: - set a",
    ]
    pruned = [None, None, Departure.PRUNED, Departure.PRUNED]
    assert [move.departure for move in found.moves] == pruned
    oldest = found.moves[-1].new
    assert oldest is not None
    assert oldest.retired is not None
    assert (oldest.retired.actor, oldest.retired.cause) == ("pruner", "schedule")


async def test_streams_of_one_name_are_one_story(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a")
    await story.drop("eve")
    await story.create()
    await story.tag("prod", "b")
    found = await story.told("prod")
    assert words(found.moves) == ["jane: - set b", "eve: a stream deleted -", "jane: - set a"]
    assert (found.stream_exists, found.earlier_streams) == (True, 1)


async def test_a_deleted_stream_is_still_told_by_name(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a")
    await story.drop("eve")
    found = await story.told("prod")
    assert words(found.moves) == ["eve: a stream deleted -", "jane: - set a"]
    assert (found.stream_exists, found.earlier_streams, found.current) == (False, 1, None)
    async with story.database.snapshot() as connection:
        assert await list_told_streams(connection, NS) == [NAME]
        assert "prod" in await list_told_tags(connection, NS, NAME)


async def test_a_status_written_without_the_tag_is_told_as_that(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a")
    await story.empty("prod", "eve")
    found = await story.told("prod")
    assert words(found.moves) == ["eve: a removed -", "jane: - set a"]
    assert found.current is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_of_any_length_tell_the_same(story: Story, limit: int) -> None:
    await story.create()
    for image in "abcab":
        await story.tag("prod", image)
    await story.untag("prod")
    await story.tag("prod", "c")
    await story.drop()
    await story.create()
    for image in "dad":
        await story.tag("prod", image)
    whole = await story.told("prod")
    page = await story.told("prod", limit)
    moves = list(page.moves)
    while page.older is not None:
        assert len(page.moves) <= limit + 1
        page = await story.told("prod", limit, page.older)
        moves += page.moves
    assert words(tuple(moves)) == words(whole.moves)
    assert len(moves) == 11


async def test_a_page_goes_back_no_further_than_it_must(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagstream.store.tag_history._LOOK_BACK", 3)
    await story.create()
    for n in range(30):
        await story.tag("prod", "ab"[n % 2])
    page = await story.told("prod", 7)
    moves: list[Move] = []
    while True:
        moves += page.moves
        if page.older is None:
            break
        page = await story.told("prod", 7, page.older)
    assert [_name(move.new) for move in moves] == list("ba" * 15)
    assert [_name(move.old) for move in moves] == [*("ab" * 15)[:29], "-"]


async def test_a_moment_is_answered_by_what_the_tag_meant_then(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a")
    await story.tag("prod", "b")
    await story.untag("prod")
    before = await story.meaning("prod", at(19))
    assert before.since is None
    assert before.until is not None
    then = await story.meaning("prod", at(29))
    assert then.since is not None
    assert then.until is not None
    assert (_name(then.since.new), then.since.at, then.until.at) == ("a", at(20), at(30))
    after = await story.meaning("prod", at(99))
    assert after.since is not None
    assert (_name(after.since.new), after.until) == ("-", None)


async def test_a_moment_long_ago_is_found_beyond_the_first_page(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagstream.store.tag_history._PAGE", 2)
    await story.create()
    for image in "abcdef":
        await story.tag("prod", image)
    found = await story.meaning("prod", at(25))
    assert found.since is not None
    assert found.until is not None
    assert (_name(found.since.new), _name(found.until.new)) == ("a", "b")


async def test_what_never_was_is_none(story: Story) -> None:
    await story.create()
    async with story.database.snapshot() as connection:
        assert await load_tag_history(connection, NS, NAME, "nope") is None
        assert await load_tag_history(connection, NS, "nope", "prod") is None
        assert await load_meaning(connection, NS, NAME, "nope", at(0)) is None


async def test_a_write_that_only_confirms_an_image_is_no_move(story: Story) -> None:
    await story.create()
    await story.push("prod", "c")
    confirmed = replace(event("c", created=story.now), generation=9)
    await story.write(
        lambda s: decide_mapping(s, "prod", confirmed), "imagestreammapping.create", "eve"
    )
    assert words((await story.told("prod")).moves) == ["builder: - set c"]
