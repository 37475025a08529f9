"""Image streams on a real Postgres: what is saved is loaded, and facts tell what moved."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.postgres import PostgresServer
from fakes.stored_streams import command, create, facts, load, renamed, save
from fakes.stream_strategies import Write, streams, writes
from fakes.streams import (
    REGISTRY,
    at,
    condition,
    digest,
    event,
    history,
    image_stream,
    imported,
    pull_spec,
    registry_tag,
)
from tagstream.errors import Conflict, InvalidInput
from tagstream.store.database import Database
from tagstream.store.images import load_images, store_images
from tagstream.store.journal import load_head, read_changes, transaction
from tagstream.store.outbox import read_outbox
from tagstream.store.stream_writes import create_stream, delete_stream, save_stream
from tagstream.store.streams import (
    load_stream,
)
from tagstream.streams.delta import apply
from tagstream.streams.image_stream import ImageStream, ReferencePolicy
from tagstream.streams.imports import decide_import
from tagstream.streams.json_form import delta_from_json
from tagstream.streams.pull_spec import find_moves
from tagstream.streams.spec_write import decide_update
from tagstream.streams.status_write import decide_mapping
from tagstream.streams.tags import with_tag


@pytest.fixture(scope="module")
def runner() -> Any:
    """One loop for all examples of a test, which pytest-asyncio cannot give to hypothesis."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer, runner: asyncio.Runner) -> Any:
    """A database that all examples share; each has a stream of its own."""
    url = runner.run(postgres_server.create_database(template="migrated"))
    opened = runner.run(Database.connect(url, name="test"))
    yield opened
    runner.run(opened.close())
    runner.run(postgres_server.drop_database(url))


few = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def run(runner: asyncio.Runner, work: Coroutine[Any, Any, None]) -> None:
    runner.run(work)


@few
@given(streams, streams)
def test_what_is_saved_is_what_is_loaded(
    shared: Database, runner: asyncio.Runner, first: ImageStream, second: ImageStream
) -> None:
    async def check() -> None:
        stored = await create(shared, renamed(first))
        assert await load(shared, stored) == stored
        wanted = replace(second, name=stored.name, uid=stored.uid, version=stored.version)
        saved = await save(shared, stored, wanted)
        assert await load(shared, saved) == saved
        assert (saved.version > stored.version) is (wanted != stored)

    run(runner, check())


@few
@given(st.lists(writes, min_size=1, max_size=12))
def test_writes_of_a_part_make_the_same_stream_as_writes_of_the_whole(
    shared: Database, runner: asyncio.Runner, sequence: list[Write]
) -> None:
    async def check() -> None:
        whole = await create(shared, renamed(image_stream()))
        for second, write in enumerate(sequence):
            expected = write.apply(whole, at(second))
            await _write_partly(shared, whole, write, at(second))
            stored = await load(shared, whole)
            assert stored is not None
            assert replace(stored, version=0) == replace(expected, version=0)
            whole = stored

    run(runner, check())


async def _write_partly(
    database: Database, whole: ImageStream, write: Write, now: datetime
) -> None:
    async with transaction(database, command()) as tx:
        before = await load_stream(
            tx.connection,
            whole.namespace,
            whole.name,
            tags=[write.tag, *write.also],
            lock=True,
            whole_history=write.whole_history,
        )
        assert before is not None
        assert before == write.apply_partly(whole, now)[0]
        await save_stream(tx, before, write.decide(before, whole, now), "")


@few
@given(st.lists(writes, min_size=1, max_size=12), st.sampled_from(["", REGISTRY]))
def test_facts_come_exactly_when_the_pull_spec_changes(
    shared: Database, runner: asyncio.Runner, sequence: list[Write], registry: str
) -> None:
    async def check() -> None:
        stream = await create(shared, renamed(image_stream()), registry)
        for second, write in enumerate(sequence):
            async with shared.connection() as connection:
                head = await load_head(connection)
            after = await save(shared, stream, write.apply(stream, at(second)), registry)
            found = {
                (row.type.split(".")[3], data["tag"], data["old_pull_spec"], new)
                for row in await read_outbox(shared, "facts", head, 1000)
                if "tag." in row.type and (data := _snake(row.data))
                for new in [data.get("new_pull_spec", "")]
            }
            expected = {
                (
                    "changed" if m.new_pull_spec else "deleted",
                    m.tag,
                    m.old_pull_spec,
                    m.new_pull_spec,
                )
                for m in find_moves(stream, after, registry)
            }
            assert found == expected
            stream = after

    run(runner, check())


def _snake(data: object) -> dict[str, Any]:
    assert isinstance(data, dict)
    return {
        "tag": data["tag"],
        "old_pull_spec": data.get("oldPullSpec", ""),
        "new_pull_spec": data.get("newPullSpec", ""),
    }


async def test_nothing_new_writes_nothing_at_all(database: Database) -> None:
    stored = await create(database, image_stream([registry_tag("a")]))
    async with transaction(database, command()) as tx:
        assert await save_stream(tx, stored, stored, "") is None
    assert tx.position == 0
    assert await load(database, stored) == stored


async def test_a_confirmed_generation_is_no_fact_and_no_new_row(database: Database) -> None:
    before = image_stream([registry_tag("a")], [history("a", event("one", 1))])
    stored = await create(database, before)
    known = len(await facts(database))
    await save(database, stored, decide_mapping(stored, "a", event("one", 5)))
    assert len(await facts(database)) == known
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT seq, generation, retired_by FROM tag_items")
    assert [tuple(row) for row in rows] == [(1, 5, None)]


async def test_the_policy_alone_is_a_move_where_there_is_a_registry(database: Database) -> None:
    before = image_stream([registry_tag("a")], [history("a", event("one", 1))])
    stored = await create(database, before, REGISTRY)
    local = registry_tag("a", reference_policy=ReferencePolicy.LOCAL)
    after = decide_update(stored, with_tag(stored, local), {}, at(1), REGISTRY)
    await save(database, stored, after, REGISTRY)
    last = (await facts(database))[-1]
    assert isinstance(last.data, dict)
    assert last.data["oldPullSpec"] == pull_spec("one")
    assert last.data["newPullSpec"] == f"{REGISTRY}/demo/py@{digest('one')}"


async def test_a_wish_is_told_as_an_import_request_once(database: Database) -> None:
    stored = await create(database, image_stream([registry_tag("a"), registry_tag("b")]))
    (fact,) = await facts(database)
    assert isinstance(fact.data, dict)
    assert fact.data["tags"] == [{"tag": "a", "generation": 1}, {"tag": "b", "generation": 1}]
    assert (fact.data["actor"], fact.data["cause"]) == ("jane", "oc tag")
    await save(database, stored, replace(stored, lookup_local=True))
    assert len(await facts(database)) == 1


async def test_deleting_a_stream_tells_each_tag_and_keeps_what_it_meant(
    database: Database,
) -> None:
    before = image_stream(
        [registry_tag("a"), registry_tag("b")],
        [history("a", event("two", 2), event("one", 1), conditions=[condition()])],
    )
    stored = await create(database, before)
    async with transaction(database, command("delete")) as tx:
        await delete_stream(tx, stored, "")
    assert await load(database, stored) is None
    assert [row.type for row in await facts(database)][-1].endswith("tag.deleted.v1")
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT actor, retired_by::text FROM tag_items")
    assert [tuple(row) for row in rows] == [("jane", tx.command.id)] * 2
    assert await create(database, renamed(before))


async def test_a_taken_name_is_a_conflict(database: Database) -> None:
    await create(database, image_stream())
    with pytest.raises(Conflict):
        await create(database, image_stream(uid=str(uuid.uuid4())))


async def test_positions_are_gapless_and_are_the_versions(database: Database) -> None:
    async with database.connection() as connection:
        head = await load_head(connection)
    stored = await create(database, image_stream())
    assert stored.version == head + 1
    for second in range(3):
        pushed = decide_mapping(stored, "a", event(f"image {second}", 1))
        stored = await save(database, stored, pushed)
    async with database.snapshot() as connection:
        assert await load_head(connection) == head + 4 == stored.version
        changes = await read_changes(connection, head, 100)
    assert [c.position for c in changes] == [head + n for n in range(1, 5)]
    assert [c.change.previous for c in changes] == [0, head + 1, head + 2, head + 3]
    folded = replace(stored, generation=0, spec_tags={}, status_tags={})
    for one in changes:
        folded = apply(folded, delta_from_json(one.change.delta or {}))
    assert folded == stored


async def test_several_changes_of_one_command_have_positions_in_a_row(
    database: Database,
) -> None:
    body = {"metadata": {"name": digest("one"), "labels": {"a": "b"}}, "kind": "Image"}
    async with transaction(database, command()) as tx:
        (image,) = await store_images(tx, {digest("one"): body})
        made = await create_stream(tx, image_stream(), "")
        assert await store_images(tx, {digest("one"): body}) == []
    assert tx.version_of(image) + 1 == tx.version_of(made) == tx.position
    async with database.snapshot() as connection:
        stored = (await load_images(connection, [digest("one")]))[digest("one")]
        stream = await load_stream(connection, "demo", "py")
    assert (stored.version, stored.metadata) == (tx.version_of(image), {"labels": {"a": "b"}})
    assert stream is not None
    assert stream.version == tx.position


@pytest.mark.parametrize(
    "stream",
    [
        image_stream([registry_tag("a", annotations={"k": "x\0y"})]),
        image_stream([registry_tag("x\0y")]),
    ],
    ids=["in json", "in text"],
)
async def test_what_postgres_cannot_keep_is_refused(
    database: Database, stream: ImageStream
) -> None:
    with pytest.raises(InvalidInput, match=r"U\+0000"):
        await create(database, stream)


async def test_a_dry_run_leaves_no_trace(database: Database) -> None:
    async with transaction(database, command(), dry_run=True) as tx:
        await create_stream(tx, image_stream([registry_tag("a")]), "")
    assert tx.position == 0
    assert await load(database, image_stream()) is None
    assert await facts(database) == []


async def test_a_failing_block_leaves_no_trace(database: Database) -> None:
    async def fail() -> None:
        async with transaction(database, command()) as tx:
            await create_stream(tx, image_stream([registry_tag("a")]), "")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert await load(database, image_stream()) is None


_SLOW_COMMIT = """
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER dawdle AFTER UPDATE ON journal_head DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION dawdle();
"""
_DAWDLES = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event = 'PgSleep')
"""


async def test_who_is_cancelled_while_it_commits_is_cancelled_and_committed(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await connection.execute(_SLOW_COMMIT)
    writing = asyncio.create_task(create(database, image_stream()))
    async with database.connection() as connection:
        while not await connection.fetchval(_DAWDLES):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await load(database, image_stream()) is not None


async def test_a_wide_stream_is_saved_with_few_statements(database: Database) -> None:
    tags = [registry_tag(f"t{n}") for n in range(500)]
    stored = await create(database, image_stream(tags))
    imports = [imported(f"t{n}", "one") for n in range(500)]
    after = decide_import(stored, imports, at(1), "")
    saved = await save(database, stored, after)
    assert await load(database, saved) == saved
    async with database.connection() as connection:
        (last,) = (await read_changes(connection, saved.version - 1, 10))[-1:]
    assert len(json.dumps(last.change.delta)) < 1_000_000
