"""Relays that freeze, die or run beside another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

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
from tagstream.bus.publish import Failure, publish_run
from tagstream.bus.relay import Relay, RelaySettings

QUICK = RelaySettings(publish_timeout_s=1, idle_s=0.05, batch=16)


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


class Gate:
    """Stops a relay between reading and publishing."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.open.wait()


async def stored(world: BusWorld, count: int) -> bool:
    return (await world.js.stream_info(world.stream)).state.last_seq >= count


@pytest.mark.parametrize("fenced", [True, False])
async def test_a_frozen_relay_publishes_nothing_after_another_took_over(
    world: BusWorld, fenced: bool
) -> None:
    gate = Gate()
    frozen_outbox = MemoryOutbox(world.subject, after_read=gate)
    frozen_outbox.commit(40, each=2)
    deposed = False
    frozen_published = 0

    async def fence() -> bool:
        # Unfenced: it was frozen after the fence had said yes.
        return not (deposed and fenced)

    def count(number: int) -> None:
        nonlocal frozen_published
        frozen_published += number

    frozen = Relay(world.nc, world.stream, frozen_outbox, fence, on_published=count, settings=QUICK)
    outbox = MemoryOutbox(world.subject, frozen_outbox.messages)
    successor = Relay(world.nc, world.stream, outbox, still_leader, settings=QUICK)
    async with running(frozen.run):
        await gate.reached.wait()
        deposed = True
        async with running(successor.run):
            await until(lambda: stored(world, 80))
        gate.open.set()
        await asyncio.sleep(0.3)
    assert frozen_published == 0
    assert await world.stored() == outbox.names


async def test_two_relays_that_both_think_they_are_the_one_keep_the_order(
    world: BusWorld,
) -> None:
    outbox = MemoryOutbox(world.subject)
    rivals = [Relay(world.nc, world.stream, outbox, still_leader, settings=QUICK) for _ in range(3)]
    async with running(*(rival.run for rival in rivals)):
        for _ in range(10):
            outbox.commit(20, each=2)
            await asyncio.sleep(0.02)
        await until(lambda: stored(world, 400), timeout_s=10)
    assert await world.stored() == outbox.names


async def test_a_relay_killed_between_two_steps_loses_and_repeats_nothing(
    world: BusWorld,
) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(150, each=2)
    for delay_s in (0.0, 0.004, 0.011, 0.02, 0.03):
        relay = Relay(world.nc, world.stream, outbox, still_leader, settings=QUICK)
        task = asyncio.ensure_future(relay.run(asyncio.Event()))
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    relay = Relay(world.nc, world.stream, outbox, still_leader, settings=QUICK)
    async with running(relay.run):
        await until(lambda: stored(world, 300))
    assert await world.stored() == outbox.names


async def test_a_job_relay_killed_between_publish_and_cursor_goes_on(server: NatsServer) -> None:
    class DyingCursor(MemoryCursor):
        async def save(self, position: int) -> bool:
            raise asyncio.CancelledError

    async with bus_world(server) as world:
        await world.ensure_jobs()
        outbox = MemoryOutbox(world.subject)
        outbox.commit(20, each=2)

        def relay(cursor: MemoryCursor) -> Relay:
            return Relay(
                world.nc,
                world.stream,
                outbox,
                still_leader,
                cursor=cursor,
                work_queue=True,
                settings=QUICK,
            )

        with pytest.raises(asyncio.CancelledError):
            await relay(DyingCursor()).run(asyncio.Event())
        # A worker finished the last job, so that the queue cannot tell how far it was.
        await world.js.delete_msg(world.stream, 40)
        outbox.commit(1)
        cursor = MemoryCursor()
        async with running(relay(cursor).run):
            await until(lambda: cursor.position == 21)
        first_39 = [message.message_id for message in outbox.messages[:39]]
        bodies = [(await world.js.get_msg(world.stream, n)).data for n in (*range(1, 40), 41)]
        assert bodies == [name.encode() for name in (*first_39, "21.0")]


async def test_a_deposed_job_relay_ends_at_its_cursor(server: NatsServer) -> None:
    async with bus_world(server) as world:
        await world.ensure_jobs()
        outbox, cursor = MemoryOutbox(world.subject), MemoryCursor()
        cursor.deposed = True
        outbox.commit(3)
        relay = Relay(world.nc, world.stream, outbox, still_leader, cursor=cursor, work_queue=True)
        async with asyncio.timeout(2):
            await relay.run(asyncio.Event())
        assert cursor.position == 0


async def test_single_publishes_would_leave_a_message_out_and_a_batch_does_not(
    world: BusWorld,
) -> None:
    outbox = MemoryOutbox(world.subject)
    outbox.commit(3)
    await world.publish("stranger")
    for expected, message in enumerate(outbox.messages):
        headers = {"Nats-Expected-Last-Sequence": str(expected)}
        await world.nc.request(world.subject, message.data, headers=headers)
    assert await world.stored() == ["stranger", "2.0", "3.0"], "the trap: 1.0 is left out"

    await world.js.purge_stream(world.stream)
    sent = await publish_run(world.nc, world.stream, outbox.messages, 2, timeout_s=2)
    assert (sent.accepted, sent.failure) == (0, Failure.OVERTAKEN)
    sent = await publish_run(world.nc, world.stream, outbox.messages, 3, timeout_s=2)
    assert (sent.accepted, sent.last_seq, sent.failure) == (3, 6, None)
