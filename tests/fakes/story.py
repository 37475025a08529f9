"""Verbs to tell a history with: what people do, what the registry has, what the services do then.

Nothing is handed on by itself: between a wish and its import stands `services_work`, or a part of
it, so that a story says what happened before what.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fakes.deliveries import Delivery, Outboxes
from fakes.named_registry import REGISTRY, open_registry
from fakes.registry import FakeRegistry
from fakes.service_world import NS, ServiceWorld, build_ids, open_cluster, service_world
from fakes.streams import digest
from fakes.workloads import deployment
from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import DeleteOptions, WriteOptions
from tagstream.api.wire.json_types import JsonObject
from tagstream.bus.outcomes import Outcome
from tagstream.pruning.rules import PruneRules
from tagstream.pruning.runs import begin_run, prune
from tagstream.pruning.sweeping import Fence, Sweep, no_fence
from tagstream.store.database import Connection, Database
from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.tag_tracker.ordering import SCHEDULED, order_imports

WRITE, DELETE = WriteOptions(), DeleteOptions()


@dataclass(slots=True)
class Story:
    """A history while it happens. `by` on a verb is who does it."""

    world: ServiceWorld
    registry: FakeRegistry
    outboxes: Outboxes
    new_id: Callable[[], str]
    waiting: list[Delivery] = field(default_factory=list)

    def request(self, by: str, agent: str = "oc/4.17") -> RequestContext:
        self.world.clock.forward(seconds=1)
        return self.world.context(self.new_id(), by, agent)

    # What people do.

    async def create_stream(
        self, name: str, *tags: JsonObject, by: str = "jane", **spec: object
    ) -> None:
        body = {"metadata": {"name": name}, "spec": {"tags": list(tags), **spec}}
        await self.world.api.streams.create(self.request(by), NS, body, WRITE)

    async def look_up_locally(self, name: str, *, by: str = "jane") -> None:
        """`oc set image-lookup`."""

        def change(current: JsonObject | None) -> JsonObject:
            assert current is not None
            return {**current, "spec": {**current["spec"], "lookupPolicy": {"local": True}}}

        await self.world.api.streams.update(self.request(by), NS, name, change, WRITE)

    async def delete_stream(self, name: str, *, by: str = "jane") -> None:
        await self.world.api.streams.delete(self.request(by), NS, name, DELETE)

    async def tag(self, name: str, tag: JsonObject, *, by: str = "jane") -> None:
        """`oc tag`; `tag` is one of `registry_image`, `follow` and `pin`."""
        body = {"metadata": {"annotations": tag.get("annotations")}, "tag": tag}
        await self.world.api.tags.update(
            self.request(by), NS, f"{name}:{tag['name']}", lambda _: body, WRITE
        )

    async def untag(self, name: str, tag: str, *, by: str = "jane") -> None:
        await self.world.api.tags.delete(self.request(by), NS, f"{name}:{tag}", DELETE)

    async def push(self, name: str, tag: str, image: str, *, by: str = "builder") -> None:
        """A build pushed the image called `image`."""
        reference = f"quay.io/acme/{name}@{digest(image)}"
        pushed = {"metadata": {"name": digest(image)}, "dockerImageReference": reference}
        body = {"metadata": {"name": name}, "tag": tag, "image": pushed}
        await self.world.api.mappings.create(self.request(by, "registry"), NS, body, WRITE)

    async def import_now(self, name: str, tag: str, source: str, *, by: str = "jane") -> None:
        """`oc import-image`, which waits for its answer."""
        image = {
            "from": {"kind": "DockerImage", "name": pull(source)},
            "to": {"name": tag},
            "importPolicy": {"insecure": True},
        }
        body = {"metadata": {"name": name}, "spec": {"import": True, "images": [image]}}
        await self.world.api.imports.create(self.request(by), NS, body, WRITE)

    async def pause_triggers(self, *, by: str = "admin") -> None:
        """`tagstream triggers pause`."""
        body = {"metadata": {"name": f"namespace.{NS}"}, "spec": {"reason": "release freeze"}}
        await self.world.api.pauses.create(self.request(by, "tagstream"), "", body, WRITE)

    async def resume_triggers(self, *, by: str = "admin") -> None:
        request = self.request(by, "tagstream")
        await self.world.api.pauses.delete(request, "", f"namespace.{NS}", DELETE)

    async def deploy(self, name: str, *follows: str) -> None:
        """A Deployment with a container for each tag (`stream:tag`) that it follows."""
        self.world.clock.forward(seconds=1)
        fields = {
            f"spec.template.spec.containers[{number}].image": (NS, tag)
            for number, tag in enumerate(follows)
        }
        await self.world.observe(deployment(NS, name, fields))

    # What the registry has.

    def publish(self, source: str, build: str) -> str:
        """The registry has the build called `build` under `repository:tag` from now on."""
        repository, _, tag = source.rpartition(":")
        return self.registry.add_image(repository, tag, seed=build, env=())

    def withdraw(self, source: str, build: str) -> None:
        """The registry has lost the build, though `repository:tag` still names it."""
        self.registry.remove_manifest(source.rpartition(":")[0], build)

    # What the services do.

    async def services_work(self, *consumers: str) -> None:
        """Hand on what waits for these consumers (all, if none is named) until nothing does."""
        while True:
            self.waiting += await self.outboxes.read()
            ready = [d for d in self.waiting if not consumers or d.consumer in consumers]
            if not ready:
                return
            self.waiting = [d for d in self.waiting if d not in ready]
            for delivery in ready:
                self.world.clock.forward(milliseconds=200)
                await self.world.handle(delivery)

    async def schedule_is_due(self, name: str) -> bool:
        """A quarter of an hour has passed; whether there was something to order."""
        self.world.clock.forward(minutes=15)
        outcome = await order_imports(self.world.tracker, NS, name, SCHEDULED)
        return outcome is Outcome.APPLIED

    async def prune(self, rules: PruneRules, *meanwhile: Callable[[], Awaitable[None]]) -> None:
        """`tagstream prune`. Each of `meanwhile` happens within one of its transactions, before
        that has locked anything: the first in the first one, and so on."""
        turns = iter(meanwhile)

        async def let_happen(connection: Connection) -> None:
            happening = next(turns, None)
            if happening is not None:
                await happening()

        await run_pruner(self.world, rules, let_happen)


async def run_pruner(world: ServiceWorld, rules: PruneRules, fence: Fence = no_fence) -> None:
    """A whole run, now."""
    world.clock.forward(seconds=1)
    run = await begin_run(world.steady, rules, world.clock())
    assert run is not None
    cause, clock = "tagstream prune", world.clock
    sweep = Sweep(run.id, "admin", cause, rules, INTERNAL_REGISTRY, fence=fence, clock=clock)
    await prune(world.steady, run, sweep)


def registry_image(name: str, source: str, *, scheduled: bool = False) -> JsonObject:
    """A tag of an image in the registry, `repository:tag`."""
    return {
        "name": name,
        "from": {"kind": "DockerImage", "name": pull(source)},
        "importPolicy": {"insecure": True, "scheduled": scheduled},
        "generation": 0,
    }


def follow(name: str, source: str) -> JsonObject:
    """A tag that follows another one, `tag` or `stream:tag`."""
    return {"name": name, "from": {"kind": "ImageStreamTag", "name": source}, "generation": 0}


def pin(name: str, source: str) -> JsonObject:
    """A tag that means one image, `stream@digest`."""
    return {"name": name, "from": {"kind": "ImageStreamImage", "name": source}, "generation": 0}


def pull(source: str) -> str:
    return f"{REGISTRY}/{source}"


@asynccontextmanager
async def open_story(database: Database, name: str) -> AsyncIterator[Story]:
    """A story that begins with an empty database, a namespace and nothing else."""
    async with (
        open_registry() as (registry, fetching),
        open_cluster() as (cluster, kube),
        service_world(database, cluster, kube, fetching, seed=name) as world,
    ):
        story = Story(world, registry, Outboxes(database), build_ids(f"requests {name}"))
        await world.api.namespaces.create(
            story.request("admin"), "", {"metadata": {"name": NS}}, WRITE
        )
        yield story
