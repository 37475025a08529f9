"""The traps of NATS, nats-py and FastStream that the bus is built to avoid, one test each.

Where the library's own behaviour is the trap, the test shows it first: when that half fails, the
library has changed and the guard may go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import nats
import pytest
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

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
from tagstream.bus.consume import Consumer
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Outcome
from tagstream.bus.relay import Relay, RelaySettings
from tagstream.bus.topology import (
    consumer_drift,
    ensure_consumer,
    ensure_stream,
    events_stream_config,
)
from tagstream.errors import Unavailable

QUICK = ConsumeSettings(pull_expires_s=2, pull_heartbeat_s=0.4, watchdog_s=0.5, grace_s=1)
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


class Recorder:
    """A handler that fails first, if told to, and remembers what it finished."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.bodies: list[str] = []
        self.deliveries: list[int] = []
        self.times: list[float] = []

    async def __call__(self, message: Message) -> Outcome:
        self.deliveries.append(message.deliveries)
        self.times.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        self.bodies.append(message.data.decode())
        return Outcome.APPLIED


def consumer_of(world: BusWorld, handler: Recorder, **changes: object) -> Consumer:
    return Consumer(
        world.nc,
        world.spec(**changes),
        handler,
        concurrency=4,
        dead_letters=world.dead_letters,
        ensure=world.ensure_events,
        settings=QUICK,
    )


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
            for raw in await subscription.fetch(1, timeout=0.3):
                await raw.nak()
                last = time.monotonic()
    assert last - started < 0.3, "five deliveries are gone in no time"

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
        await asyncio.sleep(0.6)
        assert "stream not found" in (consumer.healthy() or "")
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
