"""The mixed load: tags moved and imported by several clients, a schedule, streams that come and go,
and a pruner that keeps little. Each part keeps what it was promised.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter

from fakes.registry import FakeRegistry
from fakes.scheduled_tag import ScheduledTag
from fakes.stack import Stack
from fakes.stack_faults import Client, connected
from fakes.tag_movers import World, digest

_MOVES_AT_ONCE = 25
_CLIENTS = 5
_CHURN_IMAGES = 3
_CHURN_PAUSE_S = 0.5
_SCHEDULE_PAUSE_S = 6.0
_PRUNE_PAUSE_S = 12.0
_PRUNE = ("--keep-tag-revisions", "3", "--keep-younger-than", "5s", "--ignore-invalid-refs")


class SoakLoad:
    """One namespace's clients; `world` holds the promises about `STREAMS`."""

    def __init__(self, stack: Stack, registry: FakeRegistry, seed: int, rate: float) -> None:
        self.stack = stack
        self.namespace = f"soak-{seed}"
        self.world = World(stack, registry, self.namespace, _CLIENTS)
        self.scheduled = ScheduledTag(self.world)
        self.churned: dict[str, list[str]] = {}
        self.deleted: set[str] = set()
        self.done: Counter[str] = Counter()
        self._seed = seed
        self._rate = rate

    @property
    def acknowledged(self) -> int:
        """Writes that the api said are done."""
        return self.world.promises.count + sum(map(len, self.churned.values())) + len(self.deleted)

    async def prepare(self, client: Client) -> None:
        """Streams, images to choose from, Deployments."""
        await self.world.prepare(client)
        await self.scheduled.prepare(client)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, and then to the end of what was begun."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._move(stop))
            group.create_task(self._churn(stop))
            group.create_task(self._build_and_wait(stop))
            group.create_task(self._prune(stop))

    async def unsettled(self, client: Client) -> str:
        """What does not yet follow from the load; see `World.unsettled`."""
        return await self.world.unsettled(client) or await self.scheduled.unsettled(client)

    async def _move(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            began = time.monotonic()
            await self.world.move(_MOVES_AT_ONCE, self._seed + number)
            number += 1
            spent_s = time.monotonic() - began
            await _pause(stop, max(0.0, _MOVES_AT_ONCE / self._rate - spent_s))

    async def _churn(self, stop: asyncio.Event) -> None:
        number = 0
        async with connected(self.stack) as client:
            while not stop.is_set():
                number += 1
                await self._come_and_go(client, f"churn-{number}")
                await _pause(stop, _CHURN_PAUSE_S)
            self.world.promises.refusals += client.refusals
            self.world.promises.slow += client.slow

    async def _come_and_go(self, client: Client, name: str) -> None:
        world = self.world
        await client.sure("POST", world.path("imagestreams"), world.stream(name), done=(409,))
        for count in range(_CHURN_IMAGES):
            image = digest(f"{self.namespace} {name} {count}")
            await world.push(client, name, "latest", image)
            self.churned.setdefault(name, []).append(image)
        await client.sure("DELETE", world.path(f"imagestreams/{name}"), done=(404,))
        self.deleted.add(name)

    async def _build_and_wait(self, stop: asyncio.Event) -> None:
        dice = random.Random(self._seed)
        while not stop.is_set():
            self.scheduled.build()
            self.done["builds for the schedule"] += 1
            await _pause(stop, _SCHEDULE_PAUSE_S * (0.5 + dice.random()))

    async def _prune(self, stop: asyncio.Event) -> None:
        command = [sys.executable, "-m", "tagstream.cli", "prune", "--confirm", *_PRUNE]
        command += ["--data-dir", str(self.stack.data_dir), "-o", "json"]
        while not stop.is_set():
            await _pause(stop, _PRUNE_PAUSE_S)
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                ended = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
            self.done["prunes given up" if ended else "prunes"] += 1


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
