"""The dispatcher's handlers with a real Postgres and a small cluster."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web

from fakes.cluster import Cluster, run_cluster, status
from fakes.postgres import PostgresServer
from tagstream.bus.outcomes import Outcome
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import TagChanged, TriggersResumed
from tagstream.kube.client import KubeClient
from tagstream.kube.config import ClusterConfig
from tagstream.store.database import Connection, Database
from tagstream.store.leases import Lease
from tagstream.store.migrate import migrate
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.handlers import (
    on_tag_changed,
    on_triggers_resumed,
    resync,
    sweep_due,
)
from tagstream.trigger_dispatcher.indexing import Observation, keep_index, on_observed
from tagstream.trigger_dispatcher.observer import Observed
from tagstream.trigger_dispatcher.reactions import react_all
from tagstream.trigger_dispatcher.targets import TARGETS, Target, target_of

DEPLOYMENTS = "/apis/apps/v1/deployments"
EVENTS = "/api/v1/events"
D1, D2 = "reg/app@sha256:1", "reg/app@sha256:2"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@dataclass
class World:
    """A dispatcher, its cluster and its tags."""

    deps: Deps
    cluster: Cluster
    tags: dict[str, str]
    observation: Observation
    now: list[datetime] = field(default_factory=list)

    async def observe(self, body: dict[str, Any], target: Target = TARGETS[0]) -> bool:
        """Let the dispatcher see an object; True if it had to look at its tags."""
        meta = body["metadata"]
        row = await on_observed(
            Observed(
                target,
                meta["namespace"],
                meta["name"],
                json.loads(json.dumps(body)),
            ),
            self.observation,
        )
        if row is not None:
            await react_all(self.deps, [row], Cause("test"))
        return row is not None

    async def move(self, image: str, event_id: str = "") -> Outcome:
        self.tags["shop/app:1"] = image
        fact = TagChanged(namespace="shop", stream="app", tag="1", new_pull_spec=image)
        return await on_tag_changed(event(fact, event_id), self.deps)

    def image(self, name: str = "web", collection: str = DEPLOYMENTS) -> str:
        found = self.cluster.objects[collection, "shop", name]
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    async def facts(self) -> list[tuple[str, dict[str, Any]]]:
        async with self.deps.database.connection() as connection:
            rows = await connection.fetch("SELECT type, data FROM facts ORDER BY position, number")
        return [(row["type"].split(".", 2)[2].removesuffix(".v1"), row["data"]) for row in rows]

    async def index(self) -> list[tuple[str, int, bool]]:
        async with self.deps.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT image, failures, retry_at IS NULL AS calm FROM workload_triggers"
            )
        return [tuple(row.values()) for row in rows]

    def asked(self, method: str) -> int:
        return sum(1 for done, _ in self.cluster.requests if done == method)


def event(fact: TagChanged | TriggersResumed, event_id: str = "") -> CloudEvent:
    return CloudEvent(
        id=event_id or str(uuid.uuid4()),
        source="/t",
        type=fact.TYPE,
        data=orjson.dumps(fact.to_data()),
    )


def workload(
    name: str = "web", image: str = " ", path: str = "containers[0].image", **more: object
) -> dict[str, Any]:
    entry = {
        "from": {"kind": "ImageStreamTag", "name": "app:1"},
        "fieldPath": f"spec.template.spec.{path}",
        **more,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "shop",
            "name": name,
            "annotations": {"image.openshift.io/triggers": json.dumps([entry])},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
    }


@asynccontextmanager
async def build_world(url: str) -> AsyncIterator[World]:
    database = await Database.connect(url, name="test", size=8)
    tags: dict[str, str] = {}
    now: list[datetime] = [datetime.now(UTC)]

    async def resolve(_connection: Connection, namespace: str, stream: str, tag: str) -> str | None:
        return tags.get(f"{namespace}/{stream}:{tag}")

    async with (
        run_cluster() as cluster,
        KubeClient(ClusterConfig(cluster.url), max_connections=24, timeout_s=5) as kube,
    ):
        deps = Deps(
            database=database,
            kube=kube,
            cluster="main",
            resolve_tag=resolve,
            clock=lambda: now[0],
            new_id=lambda: str(uuid.uuid4()),
        )
        lease = Lease(database, "cluster-observer", ttl_s=60)
        await lease.take()
        yield World(deps, cluster, tags, Observation(deps, lease), now)
    await database.close()


@pytest.fixture
async def world(postgres: PostgresServer) -> AsyncIterator[World]:
    url = await postgres.create_database()
    await migrate(url)
    async with build_world(url) as built:
        yield built
    await postgres.drop_database(url)


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


async def test_two_hundred_deployments_follow_one_tag_quickly(world: World) -> None:
    for n in range(200):
        await world.observe(world.cluster.put(DEPLOYMENTS, workload(f"web-{n}")))
    before = time.perf_counter()
    assert await world.move(D1) is Outcome.APPLIED
    duration_s = time.perf_counter() - before
    assert all(world.image(f"web-{n}") == D1 for n in range(200))
    assert world.asked("GET") == 0
    print(f"200 Deployments patched in {duration_s:.2f} s")
    assert duration_s < 5
