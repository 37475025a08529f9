"""What the dispatcher learns from watching the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fakes.dispatcher_world import D1, DEPLOYMENTS, World, build_world, workload
from tagstream.bus.outcomes import Outcome
from tagstream.store.database import Connection
from tagstream.trigger_dispatcher.annotation import TRIGGERS_ANNOTATION as TRIGGERS
from tagstream.trigger_dispatcher.indexing import keep_index
from tagstream.trigger_dispatcher.matching import WorkloadKey
from tagstream.trigger_dispatcher.targets import TARGETS


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with build_world(database_url) as built:
        yield built


async def test_the_observer_follows_and_prunes(world: World) -> None:
    world.tags["shop/app:1"] = D1
    await world.observe(world.cluster.put(DEPLOYMENTS, workload("vanished")))
    del world.cluster.objects[DEPLOYMENTS, "shop", "vanished"]
    world.cluster.put(DEPLOYMENTS, workload("listed"))
    task = asyncio.create_task(keep_index(world.deps, world.observation.lease))
    try:
        await until(lambda: world.image("listed") == D1 and world.cluster.watches >= len(TARGETS))
        world.cluster.put(DEPLOYMENTS, workload("watched"))
        await until(lambda: world.image("watched") == D1)
        world.cluster.remove((DEPLOYMENTS, "shop", "watched"))
        rows: list[tuple[str, int, bool]] = []
        for _ in range(100):
            rows = await world.index()
            if len(rows) == 1:
                break
            await asyncio.sleep(0.05)
        assert rows == [(D1, 0, True)]
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_observer_lists_again_when_its_version_is_forgotten(world: World) -> None:
    world.tags["shop/app:1"] = D1
    world.cluster.oldest = 10_000
    task = asyncio.create_task(keep_index(world.deps, world.observation.lease))
    try:
        await until(lambda: world.cluster.watches >= len(TARGETS))
        world.cluster.put(DEPLOYMENTS, workload())
        world.cluster.oldest = 0
        await until(lambda: world.image() == D1)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within 10 s")


async def test_what_is_observed_while_it_is_worked_on_counts_afterwards(world: World) -> None:
    world.tags["shop/app:1"] = D1
    task = asyncio.create_task(keep_index(world.deps, world.observation.lease))
    key = WorkloadKey("main", "apps/v1", "Deployment", "shop", "web")
    try:
        await until(lambda: world.cluster.watches >= len(TARGETS))
        async with world.deps.locks.hold(key):
            world.cluster.put(DEPLOYMENTS, workload(image="first"))
            world.cluster.put(DEPLOYMENTS, workload(image="second"))
            world.cluster.put(DEPLOYMENTS, workload("other"))
            await until(lambda: world.image("other") == D1)
            assert world.image() == "second"
        await until(lambda: world.image() == D1)
    finally:
        task.cancel()
        await asyncio.wait([task])
    told = {f["oldPullSpec"] for _, f in await world.facts() if f["workloadName"] == "web"}
    assert told <= {"second"}


async def test_two_hundred_deployments_follow_one_tag_with_a_patch_each(world: World) -> None:
    for n in range(200):
        await world.observe(world.cluster.put(DEPLOYMENTS, workload(f"web-{n}")))
    assert await world.move(D1) is Outcome.APPLIED
    assert all(world.image(f"web-{n}") == D1 for n in range(200))
    assert (world.asked("PATCH"), world.asked("GET")) == (200, 0)
    assert len(await world.facts()) == 200
    async with world.deps.database.connection() as connection:
        commands = await connection.fetchval("SELECT count(*) FROM commands")
    # What ends at about the same time is told together.
    assert commands < 100


@pytest.mark.parametrize("second", ["it ends", "it follows another tag"])
async def test_what_is_observed_meanwhile_waits_for_what_was_observed_before(
    world: World, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    lease, is_slow = world.observation.lease, [False]
    real = lease.fence

    async def fence(connection: Connection) -> None:
        if is_slow.pop() if is_slow else False:
            reached.set()
            await go_on.wait()
        await real(connection)

    monkeypatch.setattr(lease, "fence", fence)
    task = asyncio.create_task(keep_index(world.deps, lease))
    key = WorkloadKey("main", "apps/v1", "Deployment", "shop", "web")
    try:
        await until(lambda: world.cluster.watches >= len(TARGETS))
        async with world.deps.locks.hold(key):
            body = world.cluster.put(DEPLOYMENTS, workload())
            world.cluster.put(DEPLOYMENTS, workload("other"))
            await until(lambda: not is_slow)
            is_slow.append(True)
        await asyncio.wait_for(reached.wait(), 10)
        if second == "it ends":
            world.cluster.remove((DEPLOYMENTS, "shop", "web"))
        else:
            world.cluster.put(DEPLOYMENTS, following("web", "2", body["metadata"]["uid"]))
        # Of the same watch, so what came before it has been heard. Their tag alone has an image:
        # a reaction would put web right.
        world.tags["shop/app:3"] = D1
        world.cluster.put(DEPLOYMENTS, following("last", "3"))
        await until(lambda: world.image("last") == D1)
        go_on.set()
        world.cluster.put(DEPLOYMENTS, following("final", "3"))
        await until(lambda: world.image("final") == D1)
        expected = {"other", "last", "final"} | ({"web"} if second != "it ends" else set())
        await until_followed(world, expected, "2" if second != "it ends" else "1")
    finally:
        task.cancel()
        await asyncio.wait([task])


def following(name: str, tag: str, uid: str = "") -> dict[str, Any]:
    body = workload(name)
    annotations = body["metadata"]["annotations"]
    annotations[TRIGGERS] = annotations[TRIGGERS].replace("app:1", f"app:{tag}")
    if uid:
        body["metadata"]["uid"] = uid
    return body


async def until_followed(world: World, names: set[str], tag: str) -> None:
    """Until these workloads are in the index, and web with that tag."""
    rows: dict[str, str] = {}
    for _ in range(500):
        async with world.deps.database.connection() as connection:
            found = await connection.fetch("SELECT name, tag FROM workload_triggers")
        rows = {row["name"]: row["tag"] for row in found}
        if set(rows) == names and rows.get("web", tag) == tag:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{rows} is not {names} with {tag}")
