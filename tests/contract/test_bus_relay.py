"""The relay against a real server that behaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from fakes.bus_world import (
    BusWorld,
    MemoryCursor,
    MemoryOutbox,
    bus_world,
    running,
    still_leader,
    until,
)
from fakes.nats_server import NatsServer
from tagstream.bus.relay import Relay


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


def relay_of(world: BusWorld, outbox: MemoryOutbox) -> Relay:
    return Relay(world.nc, world.stream, outbox, still_leader)


async def last_seq(world: BusWorld) -> int:
    return (await world.js.stream_info(world.stream)).state.last_seq


async def test_everything_committed_is_published_once_and_in_order(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(200, each=3)
    counts: list[int] = []
    relay = Relay(world.nc, world.stream, outbox, still_leader, on_published=counts.append)
    async with running(relay.run):
        await until(lambda: sum(counts) == 600)
        assert relay.healthy() is None
    assert await world.stored() == outbox.names


async def test_headers_carry_id_position_and_the_message_s_own(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(1, each=2)
    own = {"ce-type": "dev.tagstream.tag.changed.v1"}
    outbox.messages[0] = replace(outbox.messages[0], headers=own)
    async with running(relay_of(world, outbox).run):
        await until(lambda: _has(world, 2))
    headers = (await world.js.get_msg(world.stream, 1)).headers
    assert headers is not None
    assert headers["ce-type"] == "dev.tagstream.tag.changed.v1"
    assert headers["Nats-Msg-Id"] == "1.0"
    assert (headers["Tagstream-Position"], headers["Tagstream-Number"]) == ("1", "0")


async def _has(world: BusWorld, count: int) -> bool:
    return await last_seq(world) == count


async def test_a_commit_is_published_within_milliseconds(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    published = asyncio.Event()
    relay = Relay(
        world.nc, world.stream, outbox, still_leader, on_published=lambda _: published.set()
    )
    async with running(relay.run):
        await until(lambda: relay.healthy() is None)
        delays = []
        for _ in range(20):
            await asyncio.sleep(0.01)
            published.clear()
            started = time.perf_counter()
            outbox.commit(1)
            await published.wait()
            delays.append(time.perf_counter() - started)
    # Those that nothing else on the machine held up; who looks from time to time has few of them.
    assert sorted(delays)[5] < 0.02


async def test_a_new_relay_goes_on_in_the_middle_of_a_position(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(3, each=4)
    half = MemoryOutbox(world.subject, outbox.messages[:6])
    async with running(relay_of(world, half).run):
        await until(lambda: _has(world, 6))
    async with running(relay_of(world, outbox).run):
        await until(lambda: _has(world, 12))
    assert await world.stored() == outbox.names


async def test_a_new_stream_is_filled_from_the_given_start(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(10)
    relay = Relay(world.nc, world.stream, outbox, still_leader, start=7)
    async with running(relay.run):
        await until(lambda: _has(world, 3))
    assert await world.stored() == ["8.0", "9.0", "10.0"]


async def test_a_stream_whose_messages_all_grew_old_goes_on_from_the_cursor(
    world: BusWorld,
) -> None:
    outbox, cursor = MemoryOutbox(world.subject), MemoryCursor(position=5)
    await world.publish("old")
    await world.js.purge_stream(world.stream)
    outbox.commit(7)
    relay = Relay(world.nc, world.stream, outbox, still_leader, cursor=cursor)
    async with running(relay.run):
        await until(lambda: _has(world, 3))
    assert await world.stored() == ["6.0", "7.0"]


async def test_a_stranger_s_message_in_the_stream_does_not_confuse_the_relay(
    world: BusWorld,
) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(3)
    async with running(relay_of(world, outbox).run):
        await until(lambda: _has(world, 3))
        await world.publish("stranger")
        outbox.commit(2)
        await until(lambda: _has(world, 6))
    await world.publish("stranger")
    outbox.commit(1)
    async with running(relay_of(world, outbox).run):
        await until(lambda: _has(world, 8))
    assert [body for body in await world.stored() if body != "stranger"] == outbox.names


async def test_jobs_go_on_from_the_cursor_when_the_queue_is_empty(server: NatsServer) -> None:
    async with bus_world(server) as world:
        await world.ensure_jobs()
        outbox, cursor = MemoryOutbox(world.subject), MemoryCursor()
        outbox.commit(20, each=2)

        def jobs_relay() -> Relay:
            return Relay(
                world.nc, world.stream, outbox, still_leader, cursor=cursor, work_queue=True
            )

        async with running(jobs_relay().run):
            await until(lambda: cursor.position == 20)
        await world.js.purge_stream(world.stream)
        outbox.commit(1)
        async with running(jobs_relay().run):
            await until(lambda: cursor.position == 21)
        assert await world.stored() == ["21.0"]


async def test_a_work_queue_without_a_cursor_is_refused(world: BusWorld) -> None:
    with pytest.raises(ValueError, match="cursor"):
        Relay(world.nc, world.stream, MemoryOutbox("x"), still_leader, work_queue=True)


async def test_a_relay_that_is_no_longer_the_one_ends(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(5)

    async def deposed() -> bool:
        return False

    relay = Relay(world.nc, world.stream, outbox, deposed)
    async with asyncio.timeout(10):
        await relay.run(asyncio.Event())
    assert await last_seq(world) == 0


async def test_publishing_is_pipelined(world: BusWorld) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(10_000)
    published = 0

    def count(number: int) -> None:
        nonlocal published
        published += number

    relay = Relay(world.nc, world.stream, outbox, still_leader, on_published=count)
    started, heard = time.monotonic(), world.nc.stats["in_msgs"]
    async with running(relay.run):
        await until(lambda: published == 10_000)
    print(f"{10_000 / (time.monotonic() - started):.0f} messages a second")
    assert world.nc.stats["in_msgs"] - heard < 1000, "it waits for an answer to each"
