"""How a message ends in the durable pull loop when it does not simply succeed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from fakes.bus_world import BusWorld, MemoryDeadLetters, bus_world, running, until
from fakes.nats_server import NatsServer
from tagstream.bus.consume import Consumer
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Deferred, Outcome
from tagstream.errors import InvalidInput, Unavailable


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


async def test_a_long_handler_keeps_its_message(world: BusWorld) -> None:
    runs = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal runs
        runs += 1
        if runs == 1:
            await asyncio.sleep(3.2)
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(ack_wait_s=1.5),
        on_message,
        concurrency=1,
        dead_letters=world.dead_letters,
    )
    await world.publish("first", "waits behind it")
    async with running(consumer.run):
        await until(world.is_done)
    assert runs == 2


async def test_a_handler_that_hangs_is_ended_and_its_message_tried_again(world: BusWorld) -> None:
    runs = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal runs
        runs += 1
        if runs == 1:
            await asyncio.Event().wait()
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=1,
        dead_letters=world.dead_letters,
        settings=ConsumeSettings(handler_max_s=0.1),
        rand=lambda: 0.999,
    )
    await world.publish("x")
    async with running(consumer.run):
        await until(lambda: runs == 2)
        await until(world.is_done)


async def test_a_deferred_message_comes_again_after_its_delay(world: BusWorld) -> None:
    times: list[float] = []

    async def on_message(message: Message) -> Outcome | Deferred:
        times.append(time.monotonic())
        return Deferred(0.3) if len(times) == 1 else Outcome.APPLIED

    consumer = Consumer(
        world.nc, world.spec(), on_message, concurrency=1, dead_letters=world.dead_letters
    )
    await world.publish("x")
    async with running(consumer.run):
        await until(lambda: len(times) == 2)
    assert 0.25 < times[1] - times[0] < world.spec().ack_wait_s / 2


async def test_invalid_input_is_written_down_and_then_finished(world: BusWorld) -> None:
    dead_letters = MemoryDeadLetters(failures_left=1)

    async def on_message(message: Message) -> Outcome:
        raise InvalidInput("tag", "is not a tag name")

    consumer = Consumer(
        world.nc, world.spec(), on_message, concurrency=1, dead_letters=dead_letters
    )
    await world.publish("x")
    async with running(consumer.run):
        await until(lambda: len(dead_letters.rows) == 1)
        await until(world.is_done)
    (name, message, error, _attempts) = dead_letters.rows[0]
    assert name == world.spec().durable
    assert message.data == b"x"
    assert "is not a tag name" in error
    assert message.deliveries == 2, "the first could not be written, so the message stayed"


async def test_waiting_for_a_server_does_not_use_up_the_attempts(world: BusWorld) -> None:
    errors = [Unavailable(), Unavailable(), RuntimeError("bug")]

    async def on_message(message: Message) -> Outcome:
        if errors:
            raise errors.pop(0)
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=1,
        dead_letters=world.dead_letters,
        settings=ConsumeSettings(max_deliveries=2),
        rand=lambda: 0.999,
    )
    await world.publish("x")
    async with running(consumer.run):
        await until(lambda: not errors)
        await until(world.is_done)
    assert not world.dead_letters.rows


async def test_a_stop_waits_for_what_runs_and_gives_back_what_waits(world: BusWorld) -> None:
    started: list[int] = []
    finished: list[int] = []
    free = asyncio.Event()

    async def on_message(message: Message) -> Outcome:
        started.append(message.stream_seq)
        await free.wait()
        finished.append(message.stream_seq)
        return Outcome.APPLIED

    spec = world.spec(ack_wait_s=30)
    await world.publish(*"abcdefgh")
    first = Consumer(world.nc, spec, on_message, concurrency=2, dead_letters=world.dead_letters)
    async with running(first.run) as stop:
        await until(lambda: len(started) == 2)
        stop.set()
        await asyncio.sleep(0.5)
        free.set()
    assert finished == [1, 2]

    async def on_leftover(message: Message) -> Outcome:
        finished.append(message.stream_seq)
        return Outcome.APPLIED

    second = Consumer(world.nc, spec, on_leftover, concurrency=4, dead_letters=world.dead_letters)
    async with running(second.run):
        await until(lambda: len(finished) == 8)
    assert sorted(finished) == list(range(1, 9))


async def test_a_handler_that_outlasts_the_grace_is_ended_and_its_message_given_back(
    world: BusWorld,
) -> None:
    started = asyncio.Event()

    async def on_message(message: Message) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=1,
        dead_letters=world.dead_letters,
        settings=ConsumeSettings(grace_s=0.05),
    )
    await world.publish("x")
    async with running(consumer.run):
        await started.wait()
    info = await world.js.consumer_info(world.stream, world.spec().durable)
    assert (info.num_ack_pending or 0) + (info.num_redelivered or 0) >= 1
    subscription = await world.js.pull_subscribe_bind(world.spec().durable, world.stream)
    (again,) = await subscription.fetch(1, timeout=10)
    assert again.data == b"x"
