"""Scheduled imports on a real Postgres, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from fakes.import_world import ImportWorld, import_world
from tagstream.tag_tracker.sweeping import ScheduleSweep

PERIOD = timedelta(minutes=15)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[ImportWorld]:
    async with import_world(database_url) as opened:
        yield opened


async def test_a_schedule_writes_only_what_moved(world: ImportWorld) -> None:
    old = world.registry.add_image("app", "1", seed="old")
    await world.create("app", {"t": f"{world.registry.host}/app:1"}, scheduled=True)
    await world.order()
    await world.fetch()
    await world.apply()
    changes = await world.count("changes")
    sweep = ScheduleSweep(world.tracker, PERIOD, 60)
    assert await sweep.step() == 0
    world.clock.forward(minutes=16)
    assert await sweep.step() == 1
    assert await sweep.step() == 0
    assert await world.fetch() == ["applied"]
    assert await world.apply() == ["unchanged"]
    assert await world.count("changes") == changes
    new = world.registry.add_image("app", "1", seed="new")
    world.clock.forward(minutes=16)
    assert await sweep.step() == 1
    assert await world.fetch() == ["applied"]
    assert await world.apply() == ["applied"]
    stream = await world.load("app")
    assert [item.image for item in stream.history("t").items] == [new, old]
    assert stream.spec_tags["t"].import_policy.scheduled


async def test_a_schedule_that_goes_on_failing_writes_once(world: ImportWorld) -> None:
    await world.create("app", {"t": f"{world.registry.host}/nope:1"}, scheduled=True)
    sweep = ScheduleSweep(world.tracker, PERIOD, 60)
    await world.order()
    await world.fetch()
    assert await world.apply() == ["applied"]
    changes = await world.count("changes")
    await sweep.step()
    world.clock.forward(minutes=16)
    assert await sweep.step() == 1
    await world.fetch()
    assert await world.apply() == ["unchanged"]
    assert await world.count("changes") == changes


async def test_a_schedule_keeps_to_its_rate(world: ImportWorld) -> None:
    for number in range(5):
        await world.create(f"s{number}", {"t": f"{world.registry.host}/app:1"}, scheduled=True)
    await world.order()
    await world.fetch()
    await world.apply()
    sweep = ScheduleSweep(world.tracker, PERIOD, 1)
    await sweep.step()
    world.clock.forward(minutes=16)
    assert [await sweep.step(), await sweep.step()] == [2, 0]
    world.clock.forward(minutes=1)
    assert await sweep.step() == 1
