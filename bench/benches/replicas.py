"""One importer and two, the same waiting jobs, a registry that answers after 100 ms.

Every job is one tag of one stream, ordered while the importers are frozen. One replica waits for
so many jobs of a host at once and no more: a second one must take over half of them. The budget
that all replicas share is set far above what both ask for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from bench.figures import Figure, judge
from bench.https import Connection
from bench.load import median, run_clients
from bench.processes import list_tree, name_process
from bench.slow_registry import repository, run_slow_registry
from bench.stack import Stack, start_stack
from bench.world import World, checked, streams_path

_DELAY_S, _JOBS, _RATIO = 0.1, 300, 1.8
_CLIENTS = 8
_BUDGET = "2000"
_TIMEOUT_S = 90.0
_ORDERED = "SELECT count(*) FROM imports WHERE namespace = $1"
_FINISHED = f"{_ORDERED} AND finished_at IS NOT NULL"


async def run(world: World) -> list[Figure]:
    rates: dict[int, list[float]] = {1: [], 2: []}
    rounds = world.settings.rounds
    async with AsyncExitStack() as held:
        registry = await held.enter_async_context(run_slow_registry(_DELAY_S, _JOBS * rounds))
        stacks = {count: await _start(held, world, count) for count in rates}
        for number in range(rounds):
            for count, stack in stacks.items():
                rates[count].append(await _one_round(world, stack, registry, number))
    figure = Figure(
        f"importer=2, registry answering after {_DELAY_S * 1000:.0f} ms",
        f"{median(rates[2]):.0f} tags/s",
        yardstick=f"importer=1, same {_JOBS} jobs {median(rates[1]):.0f} tags/s",
        ratio=median([two / one for one, two in zip(rates[1], rates[2], strict=True)]),
        detail=f"one tag each; all rounds: {_told(rates[1])} with one, {_told(rates[2])} with two; "
        f"budget of the host {_BUDGET} requests/s",
    )
    return [judge(figure, ratio_at_least=_RATIO)]


async def _start(held: AsyncExitStack, world: World, importers: int) -> Stack:
    stack = await start_stack(
        world.folder / f"replicas-{importers}",
        *("--replicas", f"importer={importers}"),
        TAGSTREAM_REGISTRY_RATE_PER_HOST=_BUDGET,
    )
    held.push_async_callback(stack.stop)
    return stack


def _told(rates: list[float]) -> str:
    return ", ".join(f"{rate:.0f}" for rate in rates)


async def _one_round(world: World, stack: Stack, registry: str, number: int) -> float:
    """Jobs finished a second, from the moment in which the importers wake up; new images each
    round."""
    namespace = f"bench-{number}"
    on_it = World(stack, stack.server(), registry, world.folder, world.settings)
    await on_it.make_namespace(namespace)
    importers = [pid for pid in list_tree(stack.pid) if name_process(pid) == "importer"]
    connection = await asyncpg.connect(stack.state["postgres_url"])
    try:
        _signal(importers, signal.SIGSTOP)
        await _order(on_it, namespace, number * _JOBS)
        await _until(connection, _ORDERED, namespace)
        # The relay hands them out.
        await asyncio.sleep(1)
        _signal(importers, signal.SIGCONT)
        began = time.perf_counter()
        await _until(connection, _FINISHED, namespace)
        return _JOBS / (time.perf_counter() - began)
    finally:
        _signal(importers, signal.SIGCONT)
        await connection.close()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


async def _order(world: World, namespace: str, first: int) -> None:
    numbers = iter(range(first, first + _JOBS))

    async def step(connection: Connection, client: int, count: int) -> int:
        body = _stream(world.registry, next(numbers))
        return checked(await connection.request("POST", streams_path(namespace), body)).status

    await run_clients(world.server, _CLIENTS, step, steps=_JOBS)


def _stream(registry: str, number: int) -> dict[str, Any]:
    tag = {
        "name": "latest",
        "from": {"kind": "DockerImage", "name": f"{registry}/{repository(number)}:latest"},
        "importPolicy": {"insecure": True},
    }
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": f"slow-{number}"},
        "spec": {"tags": [tag]},
    }


async def _until(connection: asyncpg.Connection[Any], count: str, namespace: str) -> None:
    """Raises TimeoutError when not all are there in time."""
    async with asyncio.timeout(_TIMEOUT_S):
        while await connection.fetchval(count, namespace) < _JOBS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
