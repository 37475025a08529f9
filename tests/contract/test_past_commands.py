"""What stays of a command for ever: whatever a tag's history says of who, why and when."""

from __future__ import annotations

import json

import pytest

from fakes.streams import alias, at, put, registry_tag
from fakes.tag_story import NAME, NS, Story
from tagstream.cli.history_text import history_json, meaning_json
from tagstream.store.database import Database


@pytest.fixture
async def story(database: Database) -> Story:
    return Story(database)


async def _commands(story: Story, table: str) -> list[tuple[object, ...]]:
    async with story.database.connection() as connection:
        rows = await connection.fetch(
            f"SELECT id::text, at, kind, actor, cause FROM {table} ORDER BY position"
        )
    return [tuple(row) for row in rows]


async def _tell_all(story: Story) -> str:
    """Every tag page by page, and what each meant at every step, as `-o json` says it."""
    said: list[object] = []
    for tag in ("prod", "1", "2"):
        for limit in (2, 50):
            page = await story.told(tag, limit)
            said.append(history_json(page))
            while page.older is not None:
                page = await story.told(tag, limit, page.older)
                said.append(history_json(page))
        for step in range(story.steps + 2):
            moment = at(10 * step + 5)
            said.append(meaning_json((NS, NAME, tag), await story.meaning(tag, moment), moment))
    return json.dumps(said, indent=2)


async def test_a_month_later_the_same_is_told(story: Story) -> None:
    await story.create()
    for image in "abcab":
        await story.tag("prod", image)
    await story.push("prod", "d")
    await story.write(lambda s: put(s, alias("prod", "1", generation=None)), "put", "ann")
    await story.prune(keep=2)
    await story.untag("prod", "eve")
    await story.tag("prod", "e")
    await story.empty("prod", "kim")
    await story.tag("prod", "f")
    await story.drop("eve")
    await story.create()
    await story.tag("prod", "a")
    before = await _tell_all(story)
    for kind in ("moved", "rolled back", "pruned", "tag deleted", "removed", "stream deleted"):
        assert f'"{kind}"' in before
    await story.forget()
    assert await _commands(story, "commands") == []
    assert await _tell_all(story) == before


async def test_a_story_is_the_same_while_only_its_beginning_is_a_month_old(story: Story) -> None:
    await story.create()
    for image in "abc":
        await story.tag("prod", image)
    await story.untag("prod", "eve")
    await story.tag("prod", "d")
    before = await _tell_all(story)
    for step in range(1, story.steps + 1):
        await story.forget(at(10 * step + 1))
        assert await _tell_all(story) == before


async def test_commands_that_no_item_names_go(story: Story) -> None:
    await story.create()
    await story.tag("prod", "a")
    await story.write(lambda s: put(s, registry_tag("later", generation=None)), "put")
    await story.untag("prod", "eve")
    assert len(await _commands(story, "commands")) == 4
    await story.forget()
    assert await _commands(story, "commands") == []
    create, tag, _, untag = story.commands
    assert await _commands(story, "past_commands") == [
        (one.id, one.at, one.kind, one.actor, one.cause) for one in (create, tag, untag)
    ]
