"""The pruner on a real Postgres: nothing that is used goes, everything else that is old goes."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.prune_model import NAMESPACE, WATCHED, Items, Picture, Pod, World, by_digest
from fakes.prune_world import (
    NOW,
    build,
    command,
    histories_without,
    load_digests,
    load_histories,
    push,
)
from fakes.replaying import play, record
from fakes.streams import digest, permanent
from tagstream.errors import Unavailable
from tagstream.events.facts import ImagePruned, PruneCompleted, TagChanged
from tagstream.pruning.marking import BadReferences, Marked
from tagstream.pruning.rules import PruneRules
from tagstream.pruning.runs import begin_run, preview, prune
from tagstream.pruning.sweeping import Sweep
from tagstream.store.database import Database
from tagstream.store.journal import load_head, read_changes, transaction
from tagstream.store.outbox import read_outbox
from tagstream.store.prune import PruneRun
from tagstream.store.stream_writes import save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.delta import apply
from tagstream.streams.json_form import delta_from_json

RULES = PruneRules()
KEEP_NOTHING = PruneRules(keep_tag_revisions=0, keep_younger_than=timedelta(0))


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


async def test_what_was_seen_in_another_cluster_keeps_its_image(database: Database) -> None:
    pods = (Pod("far", by_digest("app", "e"), kind=WATCHED, is_init=True),)
    await build(database, app("a", "b", "c", "d", "e", pods=pods))
    await prune_all(database)
    await check(database, app("a", "b", "c", "d", "e"), {("app", "1", 3)}, {"d"})


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


async def test_a_run_replays_from_its_commands_alone(database: Database) -> None:
    world = app("a", "b", "c", "d", "e", pictures=pictures("b", "c", "d", "e", "loose"))
    await build(database, world)
    async with database.connection() as connection:
        start = await load_head(connection)
    await prune_all(database)
    summary = play(await record(database, start + 1))
    facts = [f.type for f in await read_outbox(database, "facts", start, 100)]
    kinds = [kind.removeprefix("dev.tagstream.") for kind in facts]
    assert kinds == ["tag.changed.v1", *["image.pruned.v1"] * 3, "prune.completed.v1"]
    assert summary.facts == len(facts)


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
