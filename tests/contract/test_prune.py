"""The pruner on a real Postgres: nothing that is used goes, everything else that is old goes."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.postgres import PostgresServer
from fakes.prune_world import (
    NAMESPACE,
    NOW,
    Items,
    Picture,
    Pod,
    World,
    add_pod,
    build,
    clear,
    command,
    expected_images,
    expected_items,
    histories_without,
    load_digests,
    load_histories,
    push,
    pushed,
)
from fakes.streams import digest, permanent
from tagstream.errors import Unavailable
from tagstream.events.facts import ImagePruned, PruneCompleted, TagChanged
from tagstream.pruning.applying import replay
from tagstream.pruning.marking import BadReferences, Marked, mark
from tagstream.pruning.rules import PruneRules
from tagstream.pruning.runs import begin_run, preview, prune
from tagstream.pruning.sweeping import Sweep, Sweeper
from tagstream.store.database import Database
from tagstream.store.journal import Command, load_head, read_changes, transaction
from tagstream.store.outbox import read_outbox
from tagstream.store.prune import PruneRun
from tagstream.store.prune_marks import open_marks
from tagstream.store.stream_writes import save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.delta import apply
from tagstream.streams.json_form import delta_from_json

RULES = PruneRules()
KEEP_NOTHING = PruneRules(keep_tag_revisions=0, keep_younger_than=timedelta(0))


@pytest.fixture(scope="module")
def runner() -> Any:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer, runner: asyncio.Runner) -> Any:
    url = runner.run(postgres_server.create_database(template="migrated"))
    opened = runner.run(Database.connect(url, name="test"))
    yield opened
    runner.run(opened.close())
    runner.run(postgres_server.drop_database(url))


def sweep_of(rules: PruneRules, run: PruneRun) -> Sweep:
    return Sweep(run.id, "jane", "tagstream prune", rules, "", clock=lambda: NOW)


async def prune_all(database: Database, rules: PruneRules = RULES) -> tuple[Marked, PruneRun]:
    run = await begin_run(database, rules, NOW)
    assert run is not None
    return await prune(database, run, sweep_of(rules, run))


async def check(database: Database, world: World, gone: Items, images: set[str]) -> None:
    assert await load_histories(database) == histories_without(world, gone)
    async with database.connection() as connection:
        left = await load_digests(connection, world)
    assert left == {one.name for one in world.pictures} - images


def history(*images: str, age: int = 600) -> tuple[tuple[str, int], ...]:
    return tuple((image, age) for image in images)


def pictures(*names: str) -> tuple[Picture, ...]:
    return tuple(Picture(name) for name in names)


def app(*images: str, pods: tuple[Pod, ...] = (), **changes: Any) -> World:
    """One stream `app` with one tag `1`."""
    world = World({"app": (600, {"1": history(*images)})}, pictures(*dict.fromkeys(images)), pods)
    return replace(world, **changes)


ages = st.sampled_from([0, 30, 60, 61, 600])
names = st.sampled_from(["a", "b", "c", "d", "e", "f"])
stream_names = st.sampled_from(["app", "db"])
tag_names = st.sampled_from(["1", "latest"])
items = st.lists(st.tuples(names | st.just(""), ages), max_size=5).map(
    lambda found: tuple((n, a) for n, a in found)
)
pod_images = st.builds(
    lambda stream, name, tag, by_digest: (
        f"any:5000/{NAMESPACE}/{stream}" + (f"@{digest(name)}" if by_digest else f":{tag}")
    ),
    stream_names,
    names,
    tag_names,
    st.booleans(),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    streams = {
        stream: (draw(ages), draw(st.dictionaries(tag_names, items, max_size=2)))
        for stream in ("app", "db")
    }
    children = st.lists(names, max_size=2, unique=True).map(tuple)
    found = tuple(
        Picture(name, draw(ages), draw(st.booleans()), draw(children) if name < "c" else ())
        for name in draw(st.sets(names))
    )
    pods = tuple(
        Pod(f"p{n}", image, draw(st.sampled_from(["Running", "Succeeded"])), draw(ages))
        for n, image in enumerate(draw(st.lists(pod_images, max_size=3)))
    )
    return World(streams, found, pods)


rules = st.builds(
    PruneRules,
    st.integers(0, 3),
    st.sampled_from([timedelta(0), timedelta(minutes=60)]),
    st.booleans(),
)
moves = st.lists(st.tuples(stream_names, tag_names, names), max_size=3)
new_pods = st.lists(pod_images, max_size=2)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds(), rules=rules, moves=moves, images=new_pods)
def test_what_goes_is_what_the_model_says_with_tags_moved_between_mark_and_sweep(
    shared: Database,
    runner: asyncio.Runner,
    world: World,
    rules: PruneRules,
    moves: list[tuple[str, str, str]],
    images: list[str],
) -> None:
    async def work() -> None:
        await clear(shared)
        await build(shared, world)
        before = world
        run = await begin_run(shared, rules, NOW)
        assert run is not None
        async with open_marks(shared) as session:
            marked = await mark(session, rules, rules.threshold(NOW))
            marked_items = expected_items(before, rules)
            marked_images = expected_images(before, rules, marked_items)
            assert marked.counts.items == len(marked_items)
            assert marked.counts.images == len(marked_images)
            after = before
            for stream, tag, name in moves:
                await push(shared, stream, tag, Picture(name, 0))
                after = pushed(after, stream, tag, Picture(name, 0))
            for n, image in enumerate(images):
                await add_pod(shared, Pod(f"late{n}", image))
                after = replace(after, pods=(*after.pods, Pod(f"late{n}", image)))
            await Sweeper(session, sweep_of(rules, run), marked).run()
        # A push lifts the items below it by one place.
        lifted = {
            (stream, tag, place + lift(before, after, stream, tag))
            for stream, tag, place in marked_items
        }
        gone = lifted & expected_items(after, rules)
        await check(shared, after, gone, marked_images & expected_images(after, rules, gone))

    run_in(runner, work())


def lift(before: World, after: World, stream: str, tag: str) -> int:
    return len(after.streams[stream][1].get(tag, ())) - len(before.streams[stream][1].get(tag, ()))


def run_in(runner: asyncio.Runner, work: Coroutine[Any, Any, None]) -> None:
    runner.run(work)


async def test_the_fourth_old_item_goes_with_its_image(database: Database) -> None:
    world = app("a", "b", "c", "d")
    await build(database, world)
    _, run = await prune_all(database)
    assert (run.streams, run.items, run.images) == (1, 1, 1)
    await check(database, world, {("app", "1", 3)}, {"d"})


async def test_children_of_a_list_stay_with_it_and_go_with_it(database: Database) -> None:
    listed = (Picture("list", children=("x", "y")), Picture("old", children=("x", "z")))
    world = app("list", "b", "c", "old", pictures=(*listed, *pictures("b", "c", "x", "y", "z")))
    await build(database, world)
    await prune_all(database)
    await check(database, world, {("app", "1", 3)}, {"old", "z"})


async def test_an_image_that_a_tags_specification_names_stays(database: Database) -> None:
    world = app("a", "b")
    await build(database, replace(world, pictures=pictures("a", "b", "loose")))
    async with transaction(database, command()) as tx:
        before = await load_stream(tx.connection, NAMESPACE, "app", lock=True)
        assert before is not None
        pin = permanent("pin", f"app@{digest('loose')}")
        await save_stream(tx, before, replace(before, spec_tags={"pin": pin}), "")
    _, run = await prune_all(database, replace(RULES, keep_younger_than=timedelta(0)))
    assert run.images == 0


async def test_a_head_that_goes_is_told_as_a_move_and_watchers_fold_to_what_is_stored(
    database: Database,
) -> None:
    world = app("a", "b", "c", pictures=pictures("b", "c"))
    await build(database, world)
    async with database.snapshot() as connection:
        before = await load_stream(connection, NAMESPACE, "app")
    assert before is not None
    await prune_all(database)
    async with database.snapshot() as connection:
        after = await load_stream(connection, NAMESPACE, "app")
        changes = await read_changes(connection, before.version, 100)
    assert after is not None
    assert [item.image for item in after.history("1").items] == [digest("b"), digest("c")]
    delta = changes[0].change.delta
    assert delta is not None
    folded = apply(before, delta_from_json(delta))
    assert replace(folded, version=after.version) == after
    facts = await read_outbox(database, "facts", 0, 1000)
    types = [fact.type for fact in facts][-2:]
    assert types == [TagChanged.TYPE, PruneCompleted.TYPE]


async def test_items_that_stay_keep_whoever_made_them(database: Database) -> None:
    await build(database, app("a", "b", "c", "d"))
    owners = "SELECT seq, actor, cause FROM tag_items WHERE retired_by IS NULL ORDER BY seq"
    async with database.connection() as connection:
        before = await connection.fetch(owners)
        await prune_all(database)
        after = await connection.fetch(owners)
    assert [tuple(row) for row in after] == [tuple(row) for row in before][1:]


async def test_one_fact_for_each_image_and_one_for_the_run(database: Database) -> None:
    await build(database, World(pictures=pictures(*(f"i{n}" for n in range(250)))))
    _, run = await prune_all(database)
    facts = await read_outbox(database, "facts", 0, 1000)
    assert sum(fact.type == ImagePruned.TYPE for fact in facts) == run.images == 250
    assert [fact.type for fact in facts].count(PruneCompleted.TYPE) == 1


async def test_a_broken_reference_refuses_the_run_and_is_skipped_when_asked(
    database: Database,
) -> None:
    world = app("a", "b", "c", "d", pods=(Pod("bad", "not a reference"), Pod("ok", "nginx")))
    await build(database, world)
    with pytest.raises(BadReferences, match=r"pod/bad namespace=shop: container web") as refused:
        await prune_all(database)
    assert refused.value.count == 1
    await check(database, world, set(), set())
    marked, run = await prune_all(database, replace(RULES, ignore_invalid_references=True))
    assert (marked.bad_count, run.items) == (1, 1)


async def test_a_dry_run_changes_nothing_and_says_what_the_run_then_does(
    database: Database,
) -> None:
    world = app("a", "b", "c", "d", "e")
    await build(database, world)
    async with preview(database, RULES, NOW) as found:
        streams = [stream async for stream in found.streams()]
        images = [image async for image in found.images()]
    await check(database, world, set(), set())
    assert streams == [(NAMESPACE, "app", 2)]
    assert images == sorted([digest("d"), digest("e")])
    _, run = await prune_all(database)
    assert (run.items, run.images) == (2, 2)


async def test_the_session_keeps_no_marks(database: Database) -> None:
    async with preview(database, RULES, NOW):
        pass
    async with database.connection() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'prune\\_%' AND relpersistence = 't'"
        )
    assert left == 0


async def test_a_run_that_died_between_batches_is_continued_and_counted_once(
    database: Database,
) -> None:
    many = tuple(f"i{n:03}" for n in range(230))
    world = World({"app": (600, {"1": history(*many[:5])})}, pictures(*many))
    await build(database, world)
    run = await begin_run(database, RULES, NOW)
    assert run is not None
    sweep = sweep_of(RULES, run)
    batches = itertools.count()

    async def die_at_the_third(connection: object) -> None:
        if next(batches) == 2:
            raise Unavailable("killed")

    with pytest.raises(Unavailable):
        await prune(database, run, replace(sweep, fence=die_at_the_third))
    _, ended = await prune(database, run, sweep)
    assert (ended.items, ended.images) == (2, 227)
    facts = await read_outbox(database, "facts", 0, 1000)
    assert sum(fact.type == ImagePruned.TYPE for fact in facts) == 227


async def test_commands_say_enough_to_be_done_again_with_the_same_facts(
    database_url: str, postgres_server: PostgresServer
) -> None:
    world = app("a", "b", "c", "d", "e", pictures=pictures("b", "c", "d", "e", "loose"))
    first = await Database.connect(database_url, name="test")
    await build(first, world)
    async with first.connection() as connection:
        start = await load_head(connection)
    await first.close()
    url = await postgres_server.create_database(template=database_url.rpartition("/")[2])
    first = await Database.connect(database_url, name="test")
    second = await Database.connect(url, name="test")
    try:
        await prune_all(first)
        for done in await commands_after(first, start):
            async with transaction(second, done) as tx:
                await replay(tx, "")
        assert await load_histories(second) == await load_histories(first)
        facts = await facts_after(first, start)
        assert await facts_after(second, start) == facts
        kinds = [fact[3].removeprefix("dev.tagstream.") for fact in facts]
        assert kinds == ["tag.changed.v1", *["image.pruned.v1"] * 3, "prune.completed.v1"]
    finally:
        await first.close()
        await second.close()
        await postgres_server.drop_database(url)


async def commands_after(database: Database, position: int) -> list[Command]:
    columns = "id::text, kind, at, actor, cause, arguments, traceparent"
    async with database.connection() as connection:
        rows = await connection.fetch(
            f"SELECT {columns} FROM commands WHERE position > $1 ORDER BY position", position
        )
    return [Command(*row) for row in rows]


async def facts_after(database: Database, position: int) -> list[tuple[Any, ...]]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT position, number, id, type, subject, at, data FROM facts WHERE position > $1 "
            "ORDER BY position, number",
            position,
        )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("seed", range(3))
async def test_taggers_beside_a_run_never_find_their_image_gone(
    database: Database, seed: int
) -> None:
    dice = random.Random(seed)
    found = [Picture(f"i{n}") for n in range(12)]
    await build(
        database,
        World({"app": (600, {"1": history("i0")}), "db": (600, {})}, tuple(found)),
    )
    stop = asyncio.Event()

    async def tag(stream: str) -> int:
        count = 0
        while not stop.is_set():
            await push(database, stream, dice.choice("123"), dice.choice(found))
            count += 1
        return count

    taggers = [asyncio.create_task(tag(stream)) for stream in ("app", "db")]
    removed = 0
    for _ in range(8):
        _, run = await prune_all(database, KEEP_NOTHING)
        removed += run.images
    stop.set()
    assert min(await asyncio.gather(*taggers)) > 0
    dangling = """
        SELECT count(*) FROM tag_items i WHERE retired_by IS NULL
        AND NOT EXISTS (SELECT FROM images m WHERE m.digest = i.image)
    """
    async with database.connection() as connection:
        assert await connection.fetchval(dangling) == 0
    assert removed > 0
