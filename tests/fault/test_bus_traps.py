"""The traps of NATS, nats-py and FastStream that the bus is built to avoid, one test each.

Where the library's own behaviour is the trap, the test shows it first: when that half fails, the
library has changed and the guard may go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from fakes.bus_recorder import QUICK, Recorder, consumer_of
from fakes.bus_world import (
    BusWorld,
    bus_world,
    ready,
    running,
    until,
)
from fakes.nats_server import NatsServer
from tagstream.bus.consume import Consumer
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Outcome
from tagstream.bus.topology import (
    consumer_drift,
    ensure_consumer,
    ensure_stream,
    events_stream_config,
)
from tagstream.errors import Unavailable


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


async def test_faststream_by_default_throws_a_failed_message_away_and_ours_does_not(
    world: BusWorld,
) -> None:
    tried: list[bytes] = []
    broker = NatsBroker(world.server.url, logger=None)

    @broker.subscriber(
        world.subject,
        stream=JStream(world.stream, declare=False),
        durable="stock",
        pull_sub=PullSub(),
    )
    async def stock(body: bytes) -> None:
        tried.append(body)
        raise RuntimeError("bug")

    async with broker:
        await broker.start()
        await world.publish("x")
        await until(lambda: len(tried) == 1)
        await asyncio.sleep(0.3)
    info = await world.js.consumer_info(world.stream, "stock")
    assert (len(tried), info.num_ack_pending, info.num_pending) == (1, 0, 0)

    ours = Recorder(RuntimeError("bug"))
    async with running(consumer_of(world, ours).run):
        await until(lambda: ours.bodies == ["x"])


async def test_a_bare_nak_burns_deliveries_at_once_and_ours_are_spaced(world: BusWorld) -> None:
    await world.publish("x")
    await world.js.add_consumer(world.stream, ConsumerConfig(durable_name="bare", max_deliver=5))
    subscription = await world.js.pull_subscribe_bind("bare", world.stream)
    started = time.monotonic()
    with suppress(TimeoutError):
        while True:
            for raw in await subscription.fetch(1, timeout=1):
                await raw.nak()
                last = time.monotonic()
    assert last - started < 2, "five deliveries are gone in no time"

    ours = Recorder(RuntimeError("bug"), Unavailable())
    async with running(consumer_of(world, ours).run):
        await until(lambda: ours.bodies == ["x"])
    assert ours.times[1] - ours.times[0] > 0.4
    assert ours.times[2] - ours.times[1] > 0.2


async def test_pull_subscribe_keeps_an_old_configuration_and_ours_does_not(
    world: BusWorld,
) -> None:
    spec = world.spec(ack_wait_s=45.0, max_ack_pending=77)
    old = ConsumerConfig(
        durable_name=spec.durable, ack_wait=5, max_deliver=5, filter_subject="t.other"
    )
    await world.js.add_consumer(world.stream, old)
    wanted = ConsumerConfig(ack_wait=45, max_deliver=-1, max_ack_pending=77)
    await world.js.pull_subscribe(
        world.subject, durable=spec.durable, stream=world.stream, config=wanted
    )
    info = await world.js.consumer_info(world.stream, spec.durable)
    assert (info.config.ack_wait, info.config.max_deliver) == (5, 5), "the trap"

    await ensure_consumer(world.js, spec)
    info = await world.js.consumer_info(world.stream, spec.durable)
    assert (info.config.ack_wait, info.config.max_deliver) == (45, -1)
    assert not consumer_drift(info, spec)


async def test_a_consumer_changed_behind_our_back_is_put_right(world: BusWorld) -> None:
    ours = Recorder()
    consumer = consumer_of(world, ours)
    async with running(consumer.run):
        await ready(consumer)
        info = await world.js.consumer_info(world.stream, world.spec().durable)
        await world.js.add_consumer(
            world.stream, info.config.evolve(max_deliver=2, name=world.spec().durable)
        )

        async def is_right() -> bool:
            found = await world.js.consumer_info(world.stream, world.spec().durable)
            return not consumer_drift(found, world.spec())

        await until(is_right)
        await world.publish("x")
        await until(lambda: ours.bodies == ["x"])


async def test_a_deleted_consumer_is_made_again_without_a_hot_loop(world: BusWorld) -> None:
    ours = Recorder()
    consumer = consumer_of(world, ours)
    async with running(consumer.run):
        await ready(consumer)
        sent = world.nc.stats["out_msgs"]
        for _ in range(5):
            with suppress(NotFoundError):
                await world.js.delete_consumer(world.stream, world.spec().durable)
            await asyncio.sleep(0.1)
        assert world.nc.stats["out_msgs"] - sent < 60
        await world.publish("x")
        await until(lambda: ours.bodies == ["x"], timeout_s=8)
        await until(lambda: consumer.healthy() is None)


async def test_a_consumer_that_cannot_be_made_is_reported_and_tried_slowly(
    world: BusWorld,
) -> None:
    ours = Recorder()
    consumer = Consumer(
        world.nc,
        world.spec(stream="NO_SUCH_STREAM"),
        ours,
        concurrency=1,
        dead_letters=world.dead_letters,
        settings=QUICK,
    )
    async with running(consumer.run):
        sent = world.nc.stats["out_msgs"]
        await until(lambda: "stream not found" in (consumer.healthy() or ""))
        await asyncio.sleep(0.6)
        assert world.nc.stats["out_msgs"] - sent < 20


async def test_a_deleted_stream_is_made_again(world: BusWorld) -> None:
    ours = Recorder()
    consumer = consumer_of(world, ours)
    async with running(consumer.run):
        await ready(consumer)
        await world.publish("a")
        await until(lambda: ours.bodies == ["a"])
        await world.js.delete_stream(world.stream)

        async def is_back() -> bool:
            try:
                return (await world.js.stream_info(world.stream)).state.last_seq == 0
            except NotFoundError:
                return False

        await until(is_back)
        await world.publish("b")
        await until(lambda: ours.bodies == ["a", "b"])


async def test_faststream_batches_run_out_of_order_and_our_lanes_in_order(
    world: BusWorld,
) -> None:
    sent = [str(n) for n in range(12)]
    await world.publish(*sent)
    stock_order: list[str] = []
    broker = NatsBroker(world.server.url, logger=None)

    @broker.subscriber(
        world.subject,
        stream=JStream(world.stream, declare=False),
        durable="stock",
        pull_sub=PullSub(batch_size=12),
    )
    async def stock(body: int) -> None:
        await _sooner_the_later(body)
        stock_order.append(str(body))

    async with broker:
        await broker.start()
        await until(lambda: len(stock_order) == 12)
    assert stock_order != sent

    order: list[str] = []

    async def on_message(message: Message) -> Outcome:
        await _sooner_the_later(int(message.data))
        order.append(message.data.decode())
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=16,
        dead_letters=world.dead_letters,
        lane=lambda message: "one key",
        settings=QUICK,
    )
    async with running(consumer.run):
        await until(lambda: len(order) == 12)
    assert order == sent


async def _sooner_the_later(number: int) -> None:
    await asyncio.sleep(0.05 - number * 0.004)


async def test_eight_bootstraps_at_once_agree(server: NatsServer) -> None:
    async with bus_world(server) as world:
        config = events_stream_config(
            name=world.stream, subjects=f"t.{world.token}.>", max_bytes=2**20
        )
        larger = config.evolve(max_bytes=2**21)
        await asyncio.gather(*(ensure_stream(world.js, config) for _ in range(8)))
        await asyncio.gather(*(ensure_stream(world.js, larger) for _ in range(8)))
        await asyncio.gather(*(ensure_consumer(world.js, world.spec()) for _ in range(8)))
        found = (await world.js.stream_info(world.stream)).config
        assert (found.max_bytes, found.deny_delete) == (2**21, True)
