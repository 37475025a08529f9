"""A trigger-dispatcher with a real Postgres, a small cluster and tags that a test sets."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from fakes.cluster import Cluster, run_cluster
from tagstream.bus.outcomes import Outcome
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import TagChanged, TriggersResumed
from tagstream.kube.client import KubeClient
from tagstream.kube.config import ClusterConfig
from tagstream.store.database import Connection, Database
from tagstream.store.leases import Lease
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.handlers import (
    on_tag_changed,
)
from tagstream.trigger_dispatcher.indexing import Observation, on_observed
from tagstream.trigger_dispatcher.observer import Observed
from tagstream.trigger_dispatcher.reactions import react_all
from tagstream.trigger_dispatcher.targets import TARGETS, Target

DEPLOYMENTS = "/apis/apps/v1/deployments"
EVENTS = "/api/v1/events"
D1, D2 = "reg/app@sha256:1", "reg/app@sha256:2"


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
