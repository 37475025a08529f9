"""Consumer, relay and connection while their server is killed, frozen, away or emptied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import nats
import pytest
from nats.js.errors import NotFoundError

from fakes.bus_recorder import Recorder, consumer_of
from fakes.bus_world import (
    BusWorld,
    MemoryOutbox,
    bus_world,
    ready,
    running,
    still_leader,
    until,
)
from fakes.nats_server import NatsServer
from tagstream.bus.connection import connect
from tagstream.bus.relay import Relay, RelaySettings
from tagstream.errors import Unavailable

QUICK_RELAY = RelaySettings(publish_timeout_s=0.5, idle_s=0.1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.stop()


@pytest.fixture
async def world(server: NatsServer) -> AsyncIterator[BusWorld]:
    async with bus_world(server) as world:
        await world.ensure_events()
        yield world


@pytest.fixture
async def lone(tmp_path: Path) -> AsyncIterator[BusWorld]:
    """A world on a server of its own, to be killed."""
    server = NatsServer(tmp_path / "nats").start()
    try:
        async with bus_world(server) as world:
            await world.ensure_events()
            yield world
    finally:
        server.kill()


async def test_consumer_and_relay_survive_a_killed_server(lone: BusWorld) -> None:
    ours = Recorder()
    consumer = consumer_of(lone, ours)
    outbox = MemoryOutbox(lone.subject)
    relay = Relay(lone.nc, lone.stream, outbox, still_leader, settings=QUICK_RELAY)
    async with running(consumer.run, relay.run):
        await ready(consumer)
        outbox.commit(20)
        await until(lambda: len(set(ours.bodies)) == 20)
        lone.server.kill()
        await until(lambda: consumer.healthy() is not None)
        outbox.commit(20)
        await asyncio.sleep(0.3)
        lone.server.start()
        await until(lambda: len(set(ours.bodies)) == 40, timeout_s=8)
        await until(lambda: consumer.healthy() is None and relay.healthy() is None)
    assert await lone.stored() == outbox.names


async def test_consumer_and_relay_survive_a_frozen_server(lone: BusWorld) -> None:
    ours = Recorder()
    consumer = consumer_of(lone, ours)
    outbox = MemoryOutbox(lone.subject)
    relay = Relay(lone.nc, lone.stream, outbox, still_leader, settings=QUICK_RELAY)
    async with running(consumer.run, relay.run):
        await ready(consumer)
        outbox.commit(5)
        await until(lambda: len(set(ours.bodies)) == 5)
        lone.server.freeze()
        outbox.commit(5)
        await until(lambda: consumer.healthy() is not None)
        await until(lambda: relay.healthy() is not None)
        await asyncio.sleep(0.6)
        lone.server.thaw()
        await until(lambda: len(set(ours.bodies)) == 10, timeout_s=8)
    assert await lone.stored() == outbox.names, "an unanswered publish was not repeated"


async def test_our_connection_outlives_an_outage_that_closes_a_stock_one(lone: BusWorld) -> None:
    closed: list[str] = []

    async def stock_closed() -> None:
        closed.append("stock")

    async def ignored(error: Exception) -> None:
        return

    stock = await nats.connect(
        lone.server.url,
        max_reconnect_attempts=2,
        reconnect_time_wait=0.05,
        closed_cb=stock_closed,
        error_cb=ignored,
    )
    errors: list[Exception] = []
    ours = await connect(
        lone.server.url,
        name="ours",
        on_closed=lambda: closed.append("ours"),
        on_error=errors.append,
    )
    lone.server.kill()
    await until(lambda: stock.is_closed)
    await until(lambda: len(errors) >= 3)
    lone.server.start()
    await until(lambda: ours.is_connected)
    assert closed == ["stock"]
    await ours.close()
    assert closed == ["stock", "ours"], "the process hears of it and exits"


async def test_no_server_at_all_is_unavailable_in_bounded_time() -> None:
    with pytest.raises(Unavailable):
        await connect("nats://127.0.0.1:1", name="x", on_closed=lambda: None, timeout_s=0.2)


async def test_a_publish_that_timed_out_may_be_stored_and_the_relay_stores_it_once(
    lone: BusWorld,
) -> None:
    lone.server.freeze()
    with pytest.raises(TimeoutError):
        await lone.js.publish(lone.subject, b"ambiguous", timeout=0.3)
    lone.server.thaw()

    async def is_stored() -> bool:
        return await lone.stored() == ["ambiguous"]

    await until(is_stored)

    outbox = MemoryOutbox(lone.subject)
    outbox.commit(300)
    disturbed: list[str] = []
    relay = Relay(
        lone.nc,
        lone.stream,
        outbox,
        still_leader,
        on_disturbed=disturbed.append,
        settings=RelaySettings(publish_timeout_s=0.2, idle_s=0.1, batch=16),
    )
    async with running(relay.run):
        for _ in range(3):
            await asyncio.sleep(0.05)
            lone.server.freeze()
            outbox.commit(50)
            await asyncio.sleep(0.4)
            lone.server.thaw()
        await until(lambda: _has_last(lone, outbox.names[-1]), timeout_s=8)
    assert disturbed
    assert (await lone.stored())[1:] == outbox.names


async def _has_last(world: BusWorld, name: str) -> bool:
    state = (await world.js.stream_info(world.stream)).state
    if not state.messages:
        return False
    message = await world.js.get_msg(world.stream, state.last_seq)
    return message.data == name.encode()


async def test_a_deleted_stream_is_filled_again_by_the_relay(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(30)
    relay = Relay(
        world.nc,
        world.stream,
        outbox,
        still_leader,
        ensure=world.ensure_events,
        settings=QUICK_RELAY,
    )
    async with running(relay.run):
        await until(lambda: _has_last(world, "30.0"))
        await world.js.delete_stream(world.stream)
        outbox.commit(1)

        async def is_full() -> bool:
            with suppress(NotFoundError):
                return len(await world.stored()) == 31
            return False

        await until(is_full)
    assert await world.stored() == outbox.names
