"""Two of every service: whoever holds a lease may die or freeze, another one goes on within 5 s."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from fakes.outside_subscriber import Subscriber
from fakes.registry import FakeRegistry
from fakes.scheduled_tag import ScheduledTag
from fakes.stack import Stack
from fakes.stack_faults import (
    Client,
    connected,
    freeze,
    kill,
    lease_holders,
    query,
    start_faulty_stack,
    state,
    thaw,
    until_ready,
    until_silent,
)
from fakes.tag_movers import World
from tagstream.embedded.services import SERVICES

pytestmark = pytest.mark.xdist_group("replicas")

_REPLICAS = ",".join(f"{service}=2" for service in SERVICES)
_ENVIRONMENT = {"TAGSTREAM_SCHEDULED_IMPORT_MINIMUM_INTERVAL": "1"}
_LEASES = {
    "api-housekeeping",
    "cluster-observer",
    "import-resync",
    "pruner",
    "relay",
    "samples-manager",
    "schedule-sweep",
    "trigger-retries",
}
_TAKEN_OVER_S = 5.0
_MOVES = 6
_HELD = """
    SELECT name, holder FROM leases WHERE expires_at > clock_timestamp()
"""


@pytest.fixture(scope="module")
def doubled_stack() -> Iterator[Stack]:
    with start_faulty_stack(_REPLICAS, _ENVIRONMENT) as started:
        yield started


@asynccontextmanager
async def listening(stack: Stack) -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(state(stack).nats_url)
    task = asyncio.create_task(subscriber.run())
    try:
        yield subscriber
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def killed(stack: Stack, victims: set[str]) -> Iterator[None]:
    """Dead, and not started again before the end of the block."""
    assert stack.process is not None
    stack.process.send_signal(signal.SIGSTOP)
    try:
        assert all([kill(stack, name) for name in victims])
        yield
    finally:
        stack.process.send_signal(signal.SIGCONT)


@contextmanager
def frozen(stack: Stack, victims: set[str]) -> Iterator[None]:
    for name in victims:
        freeze(stack, name)
    try:
        yield
    finally:
        thaw(stack, *victims)


async def holders(stack: Stack) -> dict[str, str]:
    """The replica that holds each lease, once all are held."""
    found: dict[str, str] = {}

    async def not_all() -> str:
        nonlocal found
        found = await lease_holders(stack)
        return "" if found.keys() >= _LEASES else f"{sorted(_LEASES - found.keys())} by nobody"

    await until_silent(not_all, "every lease is held")
    return found


async def held_by(stack: Stack) -> dict[str, str]:
    """What the table says: the token of whoever holds a lease that has not expired."""
    return {row["name"]: row["holder"] for row in await query(stack, _HELD)}


async def taken_over(stack: Stack, before: dict[str, str], leases: set[str]) -> dict[str, float]:
    """When each of these leases had another holder, in seconds from now."""
    began, took_s = time.monotonic(), dict[str, float]()

    async def still() -> str:
        now = await held_by(stack)
        for lease in leases - took_s.keys():
            if lease in now and now[lease] != before[lease]:
                took_s[lease] = time.monotonic() - began
        return ", ".join(sorted(leases - took_s.keys()))

    await until_silent(still, "others hold the leases", pause_s=0.05)
    return took_s


async def work_goes_on(
    world: World, scheduled: ScheduledTag, subscriber: Subscriber, client: Client
) -> None:
    """Tags move, Deployments follow, the schedule is kept, and outside somebody hears of it."""
    scheduled.build()
    await world.move(_MOVES, seed=len(subscriber.events))

    async def not_yet() -> str:
        if complaint := await world.unsettled(client) or await scheduled.unsettled(client):
            return complaint
        rows = await query(world.stack, "SELECT id FROM facts")
        unheard = {row["id"] for row in rows} - subscriber.events.keys()
        return f"{len(unheard)} events not heard" if unheard else ""

    await until_silent(not_yet, "everything follows")


async def test_every_lease_moves_to_another_replica_and_work_goes_on(
    doubled_stack: Stack, faulty_registry: FakeRegistry
) -> None:
    stack = doubled_stack
    world = World(stack, faulty_registry, f"replicas-{secrets.token_hex(3)}", 2)
    scheduled = ScheduledTag(world)
    moved: set[str] = set()
    async with connected(stack) as client, listening(stack) as subscriber:
        await world.prepare(client)
        await scheduled.prepare(client)
        # After the first round each survivor holds all its service's leases, so the rounds cover
        # every lease. A frozen api would keep connections that the kernel still gives it.
        for mistreat, spared in ((killed, ""), (frozen, "api"), (killed, "")):
            await until_ready(stack)
            held = {
                k: v for k, v in (await holders(stack)).items() if not spared or spared not in v
            }
            before, victims = await held_by(stack), set(held.values())
            with mistreat(stack, victims):
                took_s = await taken_over(stack, before, set(held))
                print(mistreat.__name__, *sorted(victims), took_s)
                await work_goes_on(world, scheduled, subscriber, client)
            assert max(took_s.values()) < _TAKEN_OVER_S
            moved |= took_s.keys()
        assert moved == _LEASES
        assert await world.broken_promise() == ""
        assert not subscriber.changed
