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


async def lease_holders(stack: Stack) -> dict[str, str]:
    rows = await query(stack, "SELECT name, holder FROM leases WHERE name = ANY($1)", _LEASES)
    return {row["name"]: row["holder"] for row in rows}


async def until_more_is_published(stack: Stack, count: int) -> None:
    async def nothing() -> str:
        now = len(await published_events(stack))
        return "" if now > count else f"still {now} events"

    await until_silent(nothing, "another relay publishes")


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
async def test_a_frozen_relay_is_replaced_and_publishes_nothing_when_it_wakes(
    faulty_stack: Stack, faulty_registry: FakeRegistry, busy: bool
) -> None:
    stack = faulty_stack
    world = World(stack, faulty_registry, f"frozen-{secrets.token_hex(3)}", 3)
    async with connected(stack) as client:
        await until_ready(stack)
        await world.prepare(client)
        frozen = await holder(stack)
        moving = asyncio.create_task(world.move(30, seed=1)) if busy else None
        if not busy:
            await until_published(stack)
        before = await asyncio.to_thread(published, stack, frozen)
        holders = await lease_holders(stack)
        freeze(stack, frozen)
        try:
            started, events = time.monotonic(), len(await published_events(stack))
            moving = moving or asyncio.create_task(world.move(30, seed=1))
            await until_more_is_published(stack, events)
            took_s = time.monotonic() - started
            await moving
        finally:
            thaw(stack, frozen)
        await world.move(30, seed=2)
        await until_ready(stack)
        await until_published(stack)
        assert took_s < _TAKEN_OVER_S
        after = await asyncio.to_thread(published, stack, frozen)
        assert busy or after == before
        now = await lease_holders(stack)
        assert set(now) == set(_LEASES)
        assert all(now[name] != holders[name] for name in _LEASES if name == "relay")
        assert await world.broken_promise() == ""
        await until_silent(lambda: world.unsettled(client), "everything follows")
