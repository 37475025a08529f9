"""A tag-tracker that is frozen while it holds its leases: the other goes on, and it does no harm
when it wakes up.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
import urllib.request

import pytest

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import (
    connected,
    freeze,
    published_events,
    query,
    state,
    thaw,
    until_published,
    until_ready,
    until_silent,
)
from fakes.tag_movers import World

pytestmark = pytest.mark.xdist_group("stack-faults")

_TRACKERS = ("tag-tracker-0", "tag-tracker-1")
_LEASES = ("import-resync", "relay", "schedule-sweep")
_TAKEN_OVER_S = 5.0


def metric(stack: Stack, name: str, which: str, label: str) -> float:
    """The sum of one metric's samples that carry the label."""
    port = state(stack).health_ports[name]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    samples = re.findall(rf"^{which}\{{[^}}]*{label}[^}}]*\}} (\S+)$", text, re.MULTILINE)
    return sum(map(float, samples))


async def holder(stack: Stack) -> str:
    """The tag-tracker that publishes; waits until one does."""
    found = ""

    async def nobody() -> str:
        nonlocal found
        for name in _TRACKERS:
            if await asyncio.to_thread(
                metric, stack, name, "tagstream_lease_held", 'lease="relay"'
            ):
                found = name
                return ""
        return "nobody holds it"

    await until_silent(nobody, "somebody is the relay")
    return found


def published(stack: Stack, name: str) -> float:
    """How many events this replica has published since it was started."""
    which = "tagstream_relay_published_total"
    return metric(stack, name, which, 'stream="TAGSTREAM_EVENTS"')


async def until_quiet(stack: Stack, name: str) -> None:
    """Return when a relay has had nothing to publish for a while."""
    last, now = -1.0, await asyncio.to_thread(published, stack, name)
    while now != last:
        await asyncio.sleep(1)
        last, now = now, await asyncio.to_thread(published, stack, name)


async def lease_holders(stack: Stack) -> dict[str, str]:
    rows = await query(stack, "SELECT name, holder FROM leases WHERE name = ANY($1)", _LEASES)
    return {row["name"]: row["holder"] for row in rows}


async def leases_of(stack: Stack, name: str) -> dict[str, str]:
    """The leases that a tag-tracker holds, with its own name in them."""
    return {
        lease: holder
        for lease, holder in (await lease_holders(stack)).items()
        if await asyncio.to_thread(metric, stack, name, "tagstream_lease_held", f'lease="{lease}"')
    }


async def until_taken_over(stack: Stack, held: dict[str, str], events: int) -> None:
    """Return when others hold these leases and there are more events than there were."""

    async def still() -> str:
        now = await lease_holders(stack)
        if same := [lease for lease in held if now[lease] == held[lease]]:
            return f"{same} have not moved"
        count = len(await published_events(stack))
        return "" if count > events else f"still {count} events"

    await until_silent(still, "another one takes over")


async def move_while_frozen(world: World, frozen: str, busy: bool) -> float:
    """Move tags before (if `busy`), while and after a tag-tracker is frozen; how many seconds it
    took the other to take over.
    """
    stack, held = world.stack, await leases_of(world.stack, frozen)
    assert "relay" in held
    moving = asyncio.create_task(world.move(40, seed=1)) if busy else None
    if busy:
        await until_silent(lambda: world.missing(10), "tags move", pause_s=0.01)
    freeze(stack, frozen)
    try:
        started, events = time.monotonic(), len(await published_events(stack))
        moving = moving or asyncio.create_task(world.move(40, seed=1))
        await until_taken_over(stack, held, events)
        took_s = time.monotonic() - started
        await moving
    finally:
        thaw(stack, frozen)
    await world.move(30, seed=2)
    return took_s


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
async def test_a_frozen_relay_is_replaced_and_publishes_nothing_when_it_wakes(
    faulty_stack: Stack, faulty_registry: FakeRegistry, busy: bool
) -> None:
    stack = faulty_stack
    world = World(stack, faulty_registry, f"frozen-{secrets.token_hex(3)}", 3)
    async with connected(stack) as client:
        await until_ready(stack)
        await world.prepare(client)
        await until_silent(lambda: world.unsettled(client), "everything follows")
        frozen = await holder(stack)
        await until_quiet(stack, frozen)
        before = await asyncio.to_thread(published, stack, frozen)
        took_s = await move_while_frozen(world, frozen, busy)
        await until_ready(stack)
        await until_published(stack)
        after = await asyncio.to_thread(published, stack, frozen)
        assert busy or after == before
        assert await world.broken_promise() == ""
        await until_silent(lambda: world.unsettled(client), "everything follows")
        assert took_s < _TAKEN_OVER_S
