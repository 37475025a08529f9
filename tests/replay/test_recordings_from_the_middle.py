"""A recording that begins while something is under way, which only the journal still knows of."""

from __future__ import annotations

from fakes.replaying import play, record
from fakes.story import open_story, registry_image
from tagstream.store.database import Database
from tagstream.store.journal import load_head


async def test_an_import_of_a_stream_that_was_deleted_later_is_known_to_be_under_way(
    database: Database,
) -> None:
    async with open_story(database, "middle") as story:
        await story.create_stream("app", registry_image("1", "acme/app:1"))
        await story.services_work("requested")
        async with database.connection() as connection:
            start = await load_head(connection)
        await story.tag("app", registry_image("2", "acme/app:2"))
        await story.services_work("requested")
        await story.delete_stream("app")
    play(await record(database))
    summary = play(await record(database, start + 1))
    assert summary.jobs == 1
