"""The dispatcher's handlers with a real Postgres and a small cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from fakes.cluster import status
from fakes.dispatcher_world import D1, D2, DEPLOYMENTS, EVENTS, World, build_world, event, workload
from tagstream.bus.outcomes import Outcome
from tagstream.events.facts import TriggersResumed
from tagstream.kube.client import KubeClient
from tagstream.trigger_dispatcher.handlers import (
    on_triggers_resumed,
    resync,
    sweep_due,
)
from tagstream.trigger_dispatcher.indexing import on_observed
from tagstream.trigger_dispatcher.observer import Observed
from tagstream.trigger_dispatcher.targets import TARGETS, target_of


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with build_world(database_url) as built:
        yield built


async def test_a_new_workload_gets_its_image_at_once_and_a_fact_tells_it(world: World) -> None:
    world.tags["shop/app:1"] = D1
    assert await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    assert world.image() == D1
    assert (world.asked("PATCH"), world.asked("GET")) == (1, 0)
    ((kind, fact),) = await world.facts()
    assert kind == "trigger.fired"
    assert (fact["workloadName"], fact["oldPullSpec"], fact["newPullSpec"]) == ("web", " ", D1)
    assert await world.index() == [(D1, 0, True)]
    echo = world.cluster.objects[DEPLOYMENTS, "shop", "web"]
    assert not await world.observe(echo)


async def test_a_tag_that_moves_is_followed_once_however_often_it_is_told(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    assert world.image() == " "
    assert await world.move(D1, "e1") is Outcome.APPLIED
    assert await world.move(D1, "e1") is Outcome.UNCHANGED
    assert await world.move(D2) is Outcome.APPLIED
    assert (world.image(), world.asked("PATCH")) == (D2, 2)


async def test_a_manual_edit_is_reverted_and_other_changes_are_left_alone(world: World) -> None:
    world.tags["shop/app:1"] = D1
    body = world.cluster.put(DEPLOYMENTS, workload())
    await world.observe(body)
    edited = world.cluster.objects[DEPLOYMENTS, "shop", "web"]
    edited["spec"]["replicas"] = 5
    assert not await world.observe(world.cluster.put(DEPLOYMENTS, edited))
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = "mine"
    assert await world.observe(world.cluster.put(DEPLOYMENTS, edited))
    assert world.image() == D1
    assert world.cluster.objects[DEPLOYMENTS, "shop", "web"]["spec"]["replicas"] == 5


async def test_a_stale_index_is_refreshed_from_the_cluster(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    world.cluster.put(DEPLOYMENTS, workload(image="edited meanwhile"))
    assert await world.move(D1) is Outcome.APPLIED
    assert (world.image(), world.asked("PATCH"), world.asked("GET")) == (D1, 2, 1)


async def test_an_image_that_went_and_came_back_is_not_patched_from_what_was_known(
    world: World,
) -> None:
    world.tags["shop/app:1"] = D1
    body = workload(image=D1)
    body["metadata"]["generation"] = 1
    await world.observe(world.cluster.put(DEPLOYMENTS, body))
    # Somebody else's patches that nobody here has seen yet.
    world.cluster.objects[DEPLOYMENTS, "shop", "web"]["metadata"]["generation"] = 3
    assert await world.move(D2) is Outcome.APPLIED
    assert (world.image(), world.asked("PATCH"), world.asked("GET")) == (D2, 2, 1)


async def test_a_tag_that_moves_while_it_is_applied_is_caught_up(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))

    def move_back(request: web.Request) -> None:
        if request.method == "PATCH":
            world.tags["shop/app:1"] = D2

    world.cluster.fault = move_back
    await world.move(D1)
    assert world.image() == D2


async def test_a_workload_that_is_gone_leaves_the_index(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    world.cluster.remove((DEPLOYMENTS, "shop", "web"))
    assert await world.move(D1) is Outcome.UNCHANGED
    assert await world.index() == []


async def test_a_failing_workload_is_retried_later_and_told_once(world: World) -> None:
    for name in ("bad", "good"):
        await world.observe(world.cluster.put(DEPLOYMENTS, workload(name)))
    world.cluster.fault = lambda request: (
        status(503, "X", "webhook away") if request.path.endswith("/bad") else None
    )
    await world.move(D1)
    assert (world.image("bad"), world.image("good")) == (" ", D1)
    world.now[0] += timedelta(seconds=1)
    await sweep_due(world.deps)
    assert sorted(await world.index()) == [(" ", 2, False), (D1, 0, True)]
    world.cluster.fault = lambda _: None
    await sweep_due(world.deps)
    assert world.image("bad") == " "
    world.now[0] += timedelta(seconds=2)
    await sweep_due(world.deps)
    assert world.image("bad") == D1
    assert sorted(kind for kind, _ in await world.facts()) == [
        "trigger.failed",
        "trigger.fired",
        "trigger.fired",
    ]


async def test_a_look_that_fails_is_that_workloads_own_matter(world: World) -> None:
    for name in ("bad", "good"):
        await world.observe(world.cluster.put(DEPLOYMENTS, workload(name)))
    world.cluster.put(DEPLOYMENTS, workload("bad", image="edited meanwhile"))
    world.cluster.fault = lambda request: (
        status(503, "X", "away") if request.method == "GET" else None
    )
    assert await world.move(D1) is Outcome.APPLIED
    assert (world.image("bad"), world.image("good")) == ("edited meanwhile", D1)
    world.cluster.fault = lambda _: None
    world.now[0] += timedelta(seconds=2)
    await sweep_due(world.deps)
    assert world.image("bad") == D1


async def test_an_end_that_is_observed_during_a_look_is_the_end(world: World) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    world.cluster.put(DEPLOYMENTS, workload(image="edited meanwhile"))
    alive = world.deps

    async def get(*asked: Any) -> dict[str, object]:
        body = await alive.kube.get(*asked)
        await on_observed(Observed(TARGETS[0], "shop", "web", None), world.observation)
        return body

    kube = SimpleNamespace(patch=alive.kube.patch, get=get)
    world.deps = replace(alive, kube=cast(KubeClient, kube))
    assert await world.move(D1) is Outcome.UNCHANGED
    assert await world.index() == []


async def test_many_moves_while_the_cluster_is_away_count_as_one(world: World) -> None:
    world.tags["shop/app:1"] = D1
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    world.cluster.fault = lambda _: status(503, "X", "away")
    for number in range(10):
        await world.move(f"reg/app@sha256:{number}")
    assert [failures for _, failures, _ in await world.index()] == [1]
    world.cluster.fault = lambda _: None
    world.now[0] += timedelta(seconds=1)
    await sweep_due(world.deps)
    assert world.image() == "reg/app@sha256:9"


async def test_what_the_cluster_will_never_take_is_given_up(world: World) -> None:
    jobs = "/apis/batch/v1/jobs"
    job = {**workload(), "apiVersion": "batch/v1", "kind": "Job"}
    await world.observe(world.cluster.put(jobs, job), target_of("batch/v1", "Job"))
    world.cluster.fault = lambda request: (
        status(422, "Invalid", "field is immutable") if request.method == "PATCH" else None
    )
    await world.move(D1)
    tried = world.asked("PATCH")
    assert tried == 2
    assert await world.index() == [(" ", 1, True)]
    world.now[0] += timedelta(minutes=1)
    await sweep_due(world.deps)
    await resync(world.deps)
    assert world.asked("PATCH") == tried
    ((kind, fact),) = await world.facts()
    assert (kind, fact["reason"]) == ("trigger.failed", "Refused")
    assert "immutable" in fact["message"]


async def test_broken_triggers_show_as_one_warning_event(world: World) -> None:
    world.tags["shop/app:1"] = D1
    broken = workload()
    broken["metadata"]["annotations"]["image.openshift.io/triggers"] = "{not json"
    body = world.cluster.put(DEPLOYMENTS, broken)
    await world.observe(body)
    bad_path = world.cluster.put(DEPLOYMENTS, workload("bad-path", path="containers[5].image"))
    await world.observe(bad_path)
    await resync(world.deps)
    events = [body for key, body in world.cluster.objects.items() if key[0] == EVENTS]
    assert [(e["reason"], e["type"], e["involvedObject"]["name"]) for e in events] == [
        ("InvalidImageTrigger", "Warning", "web"),
        ("InvalidImageTrigger", "Warning", "bad-path"),
    ]
    assert "no such container" in events[1]["message"]
    broken["metadata"]["annotations"] = workload()["metadata"]["annotations"]
    assert await world.observe(world.cluster.put(DEPLOYMENTS, broken))
    assert world.image() == D1


async def pause(world: World, name: str | None) -> None:
    async with world.deps.database.connection() as connection:
        if name is None:
            await connection.execute("DELETE FROM resources")
        else:
            await connection.execute(
                "INSERT INTO resources VALUES ('tagstream.dev', 'triggerpauses', '', $1,"
                " gen_random_uuid(), 1, '{}', '{}')",
                name,
            )


@pytest.mark.parametrize(("name", "namespace"), [("all", ""), ("namespace.shop", "shop")])
async def test_a_pause_skips_and_its_end_catches_up(
    world: World, name: str, namespace: str
) -> None:
    await world.observe(world.cluster.put(DEPLOYMENTS, workload()))
    await pause(world, name)
    assert await world.move(D1, "e1") is Outcome.SKIPPED
    assert await world.move(D1, "e1") is Outcome.SKIPPED
    assert world.image() == " "
    assert [kind for kind, _ in await world.facts()] == ["trigger.skipped"]
    await pause(world, None)
    resumed = event(TriggersResumed(namespace=namespace))
    assert await on_triggers_resumed(resumed, world.deps) is Outcome.APPLIED
    assert world.image() == D1


async def test_a_reaction_lost_with_its_process_is_found_by_the_sweep(world: World) -> None:
    world.tags["shop/app:1"] = D1
    body = world.cluster.put(DEPLOYMENTS, workload())
    observed = Observed(TARGETS[0], "shop", "web", body)
    assert await on_observed(observed, world.observation) is not None
    world.now[0] += timedelta(seconds=6)
    await sweep_due(world.deps)
    assert world.image() == D1


async def test_what_no_event_caused_has_a_trace_of_its_own(world: World) -> None:
    world.tags["shop/app:1"] = D1
    for name in ("one", "two"):
        await world.observe(world.cluster.put(DEPLOYMENTS, workload(name)))
    async with world.deps.database.connection() as connection:
        rows = await connection.fetch("SELECT traceparent FROM commands")
    assert len({row["traceparent"].split("-")[1] for row in rows}) == 2
