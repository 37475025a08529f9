"""Two who patch one workload, and others who change it in between: each patch of ours is told once,
and nobody else's."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from aiohttp import web

from fakes.cluster import status
from fakes.dispatcher_world import D1, DEPLOYMENTS, World, build_world, event, workload
from tagstream.errors import Unavailable
from tagstream.events.facts import TagChanged
from tagstream.kube.client import KubeClient
from tagstream.store.trigger_intents import PatchedState, StoredIntent, save_intents
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.gathering import Gathering
from tagstream.trigger_dispatcher.handlers import on_tag_changed, resync, sweep_due
from tagstream.trigger_dispatcher.indexing import Observation, on_observed
from tagstream.trigger_dispatcher.intents import intend, sweep_intents
from tagstream.trigger_dispatcher.locks import KeyedLocks
from tagstream.trigger_dispatcher.matching import (
    Reaction,
    StreamTag,
    decide_reaction,
    parse_workload,
)
from tagstream.trigger_dispatcher.observer import Observed
from tagstream.trigger_dispatcher.targets import TARGETS

E1 = "reg/side@sha256:9"
Hook = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Between request and answer nothing else happens."""


class Slow:
    """A cluster's client; once, something happens before its PATCH is sent or after it is made, or
    after a GET."""

    def __init__(self, kube: KubeClient, before: Hook, after: Hook, seen: Hook) -> None:
        self._kube, self._before, self._after, self._seen = kube, before, after, seen

    async def get(self, *asked: Any) -> Any:
        body = await self._kube.get(*asked)
        seen, self._seen = self._seen, nothing
        await seen()
        return body

    async def patch(self, *asked: Any) -> Any:
        before, self._before = self._before, nothing
        await before()
        try:
            return await self._kube.patch(*asked)
        finally:
            after, self._after = self._after, nothing
            await after()


class Died(Exception):
    """The process is gone."""


async def die() -> None:
    raise Died


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with build_world(database_url) as built:
        yield built


def replica(
    world: World, *, before: Hook = nothing, after: Hook = nothing, seen: Hook = nothing
) -> Deps:
    """A dispatcher of its own, with a slow cluster."""
    kube = Slow(world.deps.kube, before, after, seen)
    return replace(
        world.deps,
        kube=cast(KubeClient, kube),
        locks=KeyedLocks(),
        intending=Gathering(),
        firing=Gathering(),
        patched={},
        slots=asyncio.Semaphore(16),
    )


def deployment(generation: int = 1, *, follows: tuple[str, ...] = ("app:1",)) -> dict[str, Any]:
    """Follows each tag with a container; without a generation if that is 0."""
    body = workload()
    if generation:
        body["metadata"]["generation"] = generation
    containers = [{"name": f"c{n}", "image": " "} for n, _ in enumerate(follows)]
    body["spec"]["template"]["spec"]["containers"] = containers
    triggers = [
        {
            "from": {"kind": "ImageStreamTag", "name": tag},
            "fieldPath": f"spec.template.spec.containers[{n}].image",
        }
        for n, tag in enumerate(follows)
    ]
    body["metadata"]["annotations"]["image.openshift.io/triggers"] = json.dumps(triggers)
    return body


async def move(world: World, deps: Deps, image: str, stream: str = "app") -> None:
    """Move the tag 1 of the stream, and have that dispatcher hear of it."""
    world.tags[f"shop/{stream}:1"] = image
    fact = TagChanged(namespace="shop", stream=stream, tag="1", new_pull_spec=image)
    await on_tag_changed(event(fact), deps)


def held(world: World) -> dict[str, Any]:
    return copy.deepcopy(world.cluster.objects[DEPLOYMENTS, "shop", "web"])


def edit(world: World, image: str) -> None:
    """Somebody else sets the image."""
    body = held(world)
    body["metadata"]["generation"] += 1
    body["spec"]["template"]["spec"]["containers"][0]["image"] = image
    world.cluster.put(DEPLOYMENTS, body)


async def observe(world: World, deps: Deps) -> None:
    """That dispatcher's watch shows the workload."""
    observation = Observation(deps, world.observation.lease)
    await on_observed(Observed(TARGETS[0], "shop", "web", held(world)), observation)


async def told(world: World) -> list[str]:
    """The images of all facts, once the sweep had its turn."""
    world.now[0] += timedelta(seconds=11)
    await sweep_intents(world.deps)
    return sorted(f["newPullSpec"] for kind, f in await world.facts() if kind == "trigger.fired")


def patches_answer_503(request: web.Request) -> web.Response | None:
    return status(503, "X", "away") if request.method == "PATCH" else None


@pytest.mark.parametrize("is_scaled", [False, True])
async def test_a_patch_of_more_containers_is_not_taken_for_one_that_failed(
    world: World, is_scaled: bool
) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment(follows=("app:1", "side:1"))))
    world.cluster.fault = patches_answer_503
    await move(world, world.deps, D1)
    world.cluster.fault = lambda _: None
    await move(world, world.deps, E1, "side")
    if is_scaled:
        edit(world, D1)
    assert await told(world) == [D1, E1]


async def test_two_with_other_tags_each_tell_their_own(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment(follows=("app:1", "side:1"))))

    async def other_is_first() -> None:
        await move(world, replica(world), E1, "side")

    await move(world, replica(world, before=other_is_first), D1)
    assert await told(world) == [D1, E1]


async def test_what_somebody_else_did_is_not_told(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))
    edit(world, D1)
    await move(world, world.deps, D1)
    assert await told(world) == []


async def test_an_image_that_is_edited_at_once_was_set_all_the_same(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))

    async def meanwhile() -> None:
        edit(world, "mine")
        await move(world, replica(world), D1)

    await move(world, replica(world, after=meanwhile), D1)
    assert await told(world) == [D1, D1]


async def test_who_patched_tells_it_though_the_workload_was_made_again(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))

    async def made_again() -> None:
        world.cluster.remove((DEPLOYMENTS, "shop", "web"))
        world.cluster.put(DEPLOYMENTS, deployment(2))
        await observe(world, replica(world))

    await move(world, replica(world, after=made_again), D1)
    assert await told(world) == [D1]


async def test_who_was_frozen_before_the_patch_tells_it(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))

    async def frozen() -> None:
        world.now[0] += timedelta(minutes=3)
        await sweep_intents(world.deps)

    await move(world, replica(world, before=frozen), D1)
    assert world.image() == D1
    assert await told(world) == [D1]


async def test_two_without_generations_tell_it_once(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment(0)))

    async def other_is_first() -> None:
        await move(world, replica(world), D1)

    await move(world, replica(world, before=other_is_first), D1)
    assert await told(world) == [D1]


async def test_one_who_died_without_generations_is_told_once(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment(0)))
    with pytest.raises(Died):
        await move(world, replica(world, after=die), D1)
    await move(world, replica(world), D1)
    assert await told(world) == [D1]


async def test_who_died_with_what_it_knew_before_has_done_nothing(world: World) -> None:
    body = world.cluster.put(DEPLOYMENTS, deployment())
    await world.observe(body)
    early = parse_workload("main", held(world))
    edit(world, " ")
    await move(world, world.deps, D1)
    reaction = decide_reaction(early, {StreamTag("shop", "app", "1"): D1})
    assert isinstance(reaction, Reaction)
    await intend(world.deps, early, reaction, Cause("late"))
    assert world.image() == D1
    assert await told(world) == [D1]


async def test_workloads_that_nobody_may_read_are_in_nobodys_way(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))
    long_ago = world.now[0] - timedelta(minutes=15)
    hidden = [
        StoredIntent(
            world.deps.new_id(),
            PatchedState(("main", "apps/v1", "Deployment", "hidden", f"w{n}"), "u", "1", 1),
            long_ago,
            {},
        )
        for n in range(60)
    ]
    async with world.deps.database.connection() as connection:
        await save_intents(connection, hidden)
    with pytest.raises(Died):
        await move(world, replica(world, after=die), D1)
    world.cluster.fault = lambda request: (
        status(403, "Forbidden", "no") if "/hidden/" in request.path else None
    )
    for _ in range(40):
        await told(world)
    assert await told(world) == [D1]
    async with world.deps.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM trigger_intents") == 0


async def test_an_echo_counts_if_the_record_failed(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))
    answers: list[str | None] = [D1, None]

    async def resolve(*_: object) -> str:
        if (found := answers.pop(0) if answers else D1) is None:
            raise Unavailable("Postgres is away")
        return found

    with pytest.raises(Unavailable):
        await move(world, replace(world.deps, resolve_tag=resolve), D1)
    for image in (D1, "mine"):
        if image == "mine":
            edit(world, image)
        await on_observed(Observed(TARGETS[0], "shop", "web", held(world)), world.observation)
    assert await told(world) == [D1]


@pytest.mark.parametrize("when", ["after", "seen"])
async def test_who_is_late_leaves_a_newer_annotation_alone(world: World, when: str) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))
    other = replica(world)
    if when == "seen":
        edit(world, D1)

    async def follows_another_tag() -> None:
        body = held(world)
        annotations = body["metadata"]["annotations"]
        annotations |= deployment(follows=("side:1",))["metadata"]["annotations"]
        world.cluster.put(DEPLOYMENTS, body)
        await observe(world, other)

    late = (
        replica(world, after=follows_another_tag)
        if when == "after"
        else replica(world, seen=follows_another_tag)
    )
    await move(world, late, D1)
    await move(world, other, E1, "side")
    world.now[0] += timedelta(seconds=60)
    await resync(other)
    await sweep_due(other)
    assert world.image() == E1


async def test_the_end_of_a_workload_is_not_that_of_its_namesake(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, deployment()))
    world.cluster.remove((DEPLOYMENTS, "shop", "web"))

    async def made_again() -> None:
        world.cluster.put(DEPLOYMENTS, deployment())
        await observe(world, replica(world))

    await move(world, replica(world, after=made_again), D1)
    assert len(await world.index()) == 1
