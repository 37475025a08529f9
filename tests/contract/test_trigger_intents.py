"""A patch that was made is told once, whatever became of the process that made it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from fakes.cluster import status
from fakes.dispatcher_world import D1, D2, DEPLOYMENTS, World, build_world, workload
from tagstream.bus.outcomes import Outcome
from tagstream.errors import Unavailable
from tagstream.kube.client import KubeClient
from tagstream.store.workload_triggers import load_page
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.handlers import sweep_due
from tagstream.trigger_dispatcher.intents import sweep_intents
from tagstream.trigger_dispatcher.reactions import react_all


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with build_world(database_url) as built:
        body = workload()
        body["metadata"]["generation"] = 1
        await built.observe(built.cluster.put(DEPLOYMENTS, body))
        yield built


async def told(world: World, *, after_s: float = 0) -> list[str]:
    """The new images of the facts, once the sweep had its turn that much later."""
    world.now[0] += timedelta(seconds=after_s)
    await sweep_intents(world.deps)
    return [fact["newPullSpec"] for kind, fact in await world.facts() if kind == "trigger.fired"]


async def left_over(world: World) -> int:
    async with world.deps.database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM trigger_intents")
    return count


async def die_before_the_record(world: World, image: str) -> None:
    """Patch the workload with the tag's new image, and come no further."""
    alive = world.deps
    answers: Iterator[str | None] = iter([image, None])

    async def resolve(*_: object) -> str:
        if (found := next(answers)) is None:
            raise Unavailable("Postgres is away")
        return found

    world.deps = replace(alive, resolve_tag=resolve)
    with pytest.raises(Unavailable):
        await world.move(image)
    assert world.image() == image
    world.deps = _started_again(alive)


def _started_again(deps: Deps) -> Deps:
    return replace(deps, patched={})


async def test_who_lives_tells_at_once_and_leaves_no_note(world: World) -> None:
    await world.move(D1)
    assert await told(world) == [D1]
    assert await left_over(world) == 0
    assert await told(world, after_s=100) == [D1]


async def test_who_dies_after_the_patch_has_it_told_by_the_sweep(world: World) -> None:
    await die_before_the_record(world, D1)
    assert await told(world, after_s=9) == []
    assert await told(world, after_s=2) == [D1]
    assert await told(world, after_s=100) == [D1]
    assert await left_over(world) == 0
    assert world.asked("PATCH") == 1


async def test_the_fact_says_what_the_patch_did_and_why(world: World) -> None:
    await die_before_the_record(world, D1)
    await told(world, after_s=11)
    ((_, fact),) = await world.facts()
    assert (fact["workloadName"], fact["oldPullSpec"], fact["newPullSpec"]) == ("web", " ", D1)
    async with world.deps.database.connection() as connection:
        row = await connection.fetchrow("SELECT kind, cause FROM commands ORDER BY position DESC")
    assert row is not None
    assert tuple(row.values()) == ("trigger", "tag shop/app:1 changed")


async def test_the_message_that_comes_again_finds_it_done_and_tells_nothing_twice(
    world: World,
) -> None:
    await die_before_the_record(world, D1)
    assert await world.move(D1) is Outcome.UNCHANGED
    assert await told(world, after_s=11) == [D1]
    assert await world.index() == [(D1, 0, True)]


async def test_a_tag_that_moves_on_before_the_sweep_loses_neither(world: World) -> None:
    await die_before_the_record(world, D1)
    assert await world.move(D2) is Outcome.APPLIED
    assert await told(world) == [D2]
    assert await told(world, after_s=11) == [D2, D1]
    assert await left_over(world) == 0


async def test_who_comes_late_with_what_it_knew_before_tells_nothing_again(world: World) -> None:
    async with world.deps.database.connection() as connection:
        (known,) = await load_page(connection, "main", None)
    await world.move(D1)
    await react_all(world.deps, [known], Cause("late"))
    assert world.asked("PATCH") == 2
    assert await told(world, after_s=11) == [D1]


async def test_who_comes_later_still_takes_no_other_patch_for_its_own(world: World) -> None:
    async with world.deps.database.connection() as connection:
        (known,) = await load_page(connection, "main", None)
    await world.move(D1)
    await world.move(D2)
    await world.move(D1)
    await react_all(world.deps, [known], Cause("late"))
    assert await told(world, after_s=11) == [D1, D2, D1]


async def test_what_the_watch_shows_counts_as_well(world: World) -> None:
    await die_before_the_record(world, D1)
    await world.observe(world.cluster.objects[DEPLOYMENTS, "shop", "web"])
    await world.move(D2)
    assert await told(world, after_s=11) == [D2, D1]


async def test_who_is_slow_finds_his_patch_told(world: World) -> None:
    alive = world.deps

    async def patch(*asked: Any) -> dict[str, object]:
        body = await alive.kube.patch(*asked)
        assert await told(world, after_s=11) == [D1]
        return body

    slow = SimpleNamespace(patch=patch, get=alive.kube.get)
    world.deps = replace(alive, kube=cast(KubeClient, slow))
    assert await world.move(D1) is Outcome.APPLIED
    world.deps = alive
    assert await told(world, after_s=11) == [D1]
    assert await world.index() == [(D1, 0, True)]


async def test_a_patch_that_never_arrived_is_not_told(world: World) -> None:
    world.cluster.fault = _cut_off
    await world.move(D1)
    world.cluster.fault = lambda _: None
    assert (world.image(), await left_over(world)) == (" ", 1)
    assert await told(world, after_s=11) == []
    assert await world.move(D2) is Outcome.APPLIED
    # The workload is as that patch would have left it, and another one did it.
    assert await world.move(D1) is Outcome.APPLIED
    assert await told(world, after_s=11) == [D2, D1]
    assert await left_over(world) == 0


def _cut_off(request: web.Request) -> web.Response | None:
    if request.method != "PATCH" or request.transport is None:
        return None
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize("times", [1, 2])
async def test_an_answer_that_is_lost_is_no_patch_that_is_lost(world: World, times: int) -> None:
    lost = iter([True] * times)
    # The client asks a second time, and is refused.
    world.cluster.loses = lambda request: request.method == "PATCH" and next(lost, False)
    await world.move(D1)
    world.cluster.loses = lambda _: False
    assert world.image() == D1
    world.now[0] += timedelta(seconds=2)
    await sweep_due(world.deps)
    assert await world.index() == [(D1, 0, True)]
    assert await told(world, after_s=11) == [D1]


async def test_a_patch_that_is_refused_leaves_no_note(world: World) -> None:
    world.cluster.fault = _refuse
    await world.move(D1)
    assert await left_over(world) == 0
    world.cluster.fault = lambda _: None
    assert await told(world, after_s=11) == []


async def test_a_patch_that_never_arrives_is_forgotten_after_two_minutes(world: World) -> None:
    world.cluster.fault = _cut_off
    await world.move(D1)
    world.cluster.fault = lambda _: None
    assert await told(world, after_s=100) == []
    assert await left_over(world) == 1
    assert await told(world, after_s=21) == []
    assert await left_over(world) == 0


def _refuse(request: web.Request) -> web.Response | None:
    return status(422, "Invalid", "immutable") if request.method == "PATCH" else None


async def test_a_cluster_that_is_away_is_asked_again(world: World) -> None:
    await die_before_the_record(world, D1)
    world.cluster.fault = lambda _: status(503, "X", "away")
    assert await told(world, after_s=100) == []
    world.cluster.fault = lambda _: None
    assert await told(world) == [D1]
