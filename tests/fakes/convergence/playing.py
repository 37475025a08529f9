"""A script played against a fresh database over a bus at its worst, until nothing more happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import cast
from unittest.mock import patch

from fakes.cluster import Cluster
from fakes.convergence.bus import Bus, Perturbation
from fakes.convergence.faults import BrittleDatabase, Killed
from fakes.convergence.moods import Moods, be_well, list_patches, list_told
from fakes.convergence.outcome import Field, Outcome, read_outcome
from fakes.convergence.registry import RecordedRegistries
from fakes.convergence.requests import request_again
from fakes.convergence.script import Answer, Done, PruneEnd, PruneStart, Script, Step, Tick
from fakes.deliveries import Outboxes
from fakes.replaying import play, record
from fakes.service_world import DEPLOYMENTS, ServiceWorld, service_world
from fakes.stored_rows import clear_rows
from fakes.workloads import deployment, image_at
from tagstream.importer import handlers
from tagstream.importer.fetch import FetchDeps
from tagstream.kube.client import KubeClient
from tagstream.pruning.rules import PruneRules, parse_duration
from tagstream.pruning.runs import begin_run, prune
from tagstream.pruning.sweeping import Sweep
from tagstream.registry.transport import Transport
from tagstream.replay.recording import Entry, Json, read_lines
from tagstream.store.database import Connection, Database
from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.tag_tracker.ordering import SCHEDULED, order_imports
from tagstream.tag_tracker.resyncing import resync as repair_imports
from tagstream.trigger_dispatcher.handlers import resync as repair_workloads
from tagstream.trigger_dispatcher.handlers import sweep_due
from tagstream.trigger_dispatcher.intents import sweep_intents

_REPAIRS = 6


@dataclass(slots=True)
class Stage:
    """Where scripts are played, one after the other: a database of its own and a small cluster."""

    steady: Database
    brittle: BrittleDatabase
    cluster: Cluster
    kube: KubeClient

    async def clear(self) -> None:
        be_well(self.cluster)
        self.cluster.objects.clear()
        self.cluster.log.clear()
        await clear_rows(self.steady)


@dataclass(slots=True)
class Playing:
    """A script under way."""

    script: Script
    world: ServiceWorld
    bus: Bus
    registries: RecordedRegistries
    random: Random
    pruning: asyncio.Task[None] | None = None
    _counted: int = 0
    _done: Counter[Done] = field(default_factory=Counter)

    async def play(self) -> None:
        for place, tag in sorted(self._workloads().items()):
            await self.world.observe(deployment(*place, tag))
        for step in self.script.steps:
            for _ in range(self.random.randrange(5)):
                await self.bus.step()
            if step.sees or not self.bus.how.late:
                await self._wait_for(step.done)
            await self._take(step)
        await self._settle()
        for name in self._scheduled():
            await order_imports(self.world.tracker, *name, SCHEDULED)
        await self._settle()

    def _workloads(self) -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
        found: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        for (_, namespace, name, path), tag in self.script.followed.items():
            found.setdefault((namespace, name), {})[path] = tag
        return found

    def _scheduled(self) -> list[tuple[str, str]]:
        ticks = {s.what for s in self.script.steps if isinstance(s.what, Tick)}
        return sorted((tick.namespace, tick.stream) for tick in ticks)

    async def _take(self, step: Step) -> None:
        self.world.clock.reach(step.entry.at)
        self.bus.story.append(f"-- {step.entry.position} {step.entry.kind} {step.what!r:.60}")
        match step.what:
            case Answer() as answer:
                self.registries.change(answer)
            case Tick(namespace, stream):
                await order_imports(self.world.tracker, namespace, stream, SCHEDULED)
            case PruneStart(_, rules):
                self.pruning = asyncio.create_task(self._prune(_rules(rules)))
            case PruneEnd():
                assert self.pruning is not None
                await self.pruning
            case Entry() as entry:
                await request_again(self.world.api, entry)

    async def _prune(self, rules: PruneRules) -> None:
        """A run that dies up to twice and is continued each time."""
        world, deaths = self.world, self.random.randrange(3)
        run = await begin_run(world.steady, rules, world.clock())
        assert run is not None
        doomed = [self.random.random() < 0.5 for _ in range(deaths)]

        async def fence(connection: Connection) -> None:
            if doomed and doomed.pop():
                raise Killed("the pruner")

        sweep = Sweep(run.id, "admin", "tagstream prune", rules, INTERNAL_REGISTRY, fence)
        while True:
            with suppress(Killed):
                await prune(world.steady, run, sweep)
                return

    async def _wait_for(self, done: Mapping[Done, int]) -> None:
        """Until everything has happened that had happened in the recording, or nothing more
        does."""
        while not await self._has(done):
            if not await self.bus.step() and not await self._repair():
                return

    async def _has(self, done: Mapping[Done, int]) -> bool:
        async with self.world.steady.connection() as connection:
            rows = await connection.fetch(
                "SELECT position, kind, coalesce(arguments -> 'import', arguments) ->> 'namespace',"
                " coalesce(arguments -> 'import', arguments) ->> 'stream'"
                " FROM commands WHERE position > $1 ORDER BY position",
                self._counted,
            )
        for position, kind, namespace, stream in rows:
            self._counted = position
            self._done[kind, f"{namespace}/{stream}" if stream else ""] += 1
        return all(self._done[key] >= count for key, count in done.items())

    async def _settle(self) -> None:
        for _ in range(_REPAIRS):
            while await self.bus.step():
                pass
            if not await self._repair():
                return
        raise AssertionError("it does not come to rest")

    async def _repair(self) -> bool:
        """What the services do from time to time; whether there was something to do. Without lost
        messages only retries: all else must come right by messages alone."""
        before = await self._position()
        self.world.clock.forward(minutes=1)
        await sweep_due(self.world.dispatcher)
        await sweep_intents(self.world.dispatcher)
        if self.bus.how.lossy:
            await repair_imports(self.world.tracker)
            await repair_workloads(self.world.dispatcher)
        return await self._position() > before

    async def _position(self) -> int:
        async with self.world.steady.connection() as connection:
            position: int = await connection.fetchval("SELECT position FROM journal_head")
        return position


def _rules(told: Json) -> PruneRules:
    return PruneRules(
        told["keepTagRevisions"],
        parse_duration("keepYoungerThan", told["keepYoungerThan"]),
        told["allImages"],
    )


@dataclass(frozen=True, slots=True)
class Played:
    """What a script came to, and what happened on the way, message by message."""

    outcome: Outcome
    story: list[str]


async def play_script(stage: Stage, script: Script, how: Perturbation) -> Played:
    """Also asserts that what happened replays exactly itself, and that each patch is told once."""
    await stage.clear()
    # Of its own: the order of requests to the cluster is not that of the messages.
    Moods(Random(~how.seed)).rule(stage.cluster)
    random = Random(how.seed)
    registries = RecordedRegistries(dict(script.first), script.bodies)
    fetching = FetchDeps(cast(Transport, None))
    with patch.object(handlers, "fetch", registries.fetch):
        async with service_world(
            stage.brittle,
            stage.cluster,
            stage.kube,
            fetching,
            steady=stage.steady,
            seed=f"perturbed {how.seed}",
            patience=timedelta(0),
        ) as world:
            bus = Bus(Outboxes(stage.steady), world.handle, how, random)
            playing = Playing(script, world, bus, registries, random)
            await playing.play()
    patches = list_patches(stage.cluster, script.followed)
    assert list_told(await _facts(stage.steady)) == patches, "\n".join(bus.story)
    lines = await record(stage.steady)
    play(lines)
    return Played(read_outcome(read_lines(lines), _images(stage.cluster, script)), bus.story)


async def _facts(database: Database) -> list[tuple[str, Json]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT type, data FROM facts ORDER BY position, number")
    return [(row["type"], row["data"]) for row in rows]


def _images(cluster: Cluster, script: Script) -> dict[Field, str]:
    return {
        (kind, namespace, name, path): image_at(cluster.objects[DEPLOYMENTS, namespace, name], path)
        for kind, namespace, name, path in script.followed
    }
