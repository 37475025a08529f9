"""The durable pull loop against a real server that behaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from fakes.bus_world import BusWorld, MemoryDeadLetters, bus_world, ready, running, until
from fakes.nats_server import NatsServer
from tagstream.bus.consume import Consumer, Handled
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Deferred, Outcome
from tagstream.bus.topology import ensure_streams
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


async def test_a_message_reaches_the_handler_with_lower_case_headers(world: BusWorld) -> None:
    seen: list[Message] = []

    async def on_message(message: Message) -> Outcome:
        seen.append(message)
        return Outcome.APPLIED

    handled: list[Handled] = []
    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=4,
        dead_letters=world.dead_letters,
        on_handled=handled.append,
    )
    await world.js.publish(world.subject, b"body", headers={"Ce-Id": "7", "Content-Type": "x"})
    async with running(consumer.run):
        await until(lambda: len(handled) == 1)
        await until(lambda: _none_left(world))
    (message,) = seen
    assert message.headers["ce-id"] == "7"
    assert message.headers["content-type"] == "x"
    assert (message.data, message.stream_seq, message.deliveries) == (b"body", 1, 1)
    assert message.published_at.tzinfo is not None
    assert handled[0].label == "applied"


async def _none_left(world: BusWorld) -> bool:
    return await world.unfinished() == 0


async def test_an_idle_consumer_has_a_message_within_milliseconds(world: BusWorld) -> None:
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def on_message(message: Message) -> Outcome:
        arrived.put_nowait(time.perf_counter())
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc, world.spec(), on_message, concurrency=4, dead_letters=world.dead_letters
    )
    delays = []
    async with running(consumer.run):
        await ready(consumer)
        for _ in range(30):
            await asyncio.sleep(0.01)
            published = time.perf_counter()
            await world.nc.publish(world.subject, b"x")
            delays.append(await arrived.get() - published)
    assert sorted(delays)[len(delays) // 2] < 0.01


async def test_no_more_handlers_run_than_allowed_and_all_places_are_used(world: BusWorld) -> None:
    now_running = 0
    most = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal now_running, most
        now_running += 1
        most = max(most, now_running)
        await asyncio.sleep(0.01)
        now_running -= 1
        return Outcome.APPLIED

    handled: list[Handled] = []
    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=5,
        dead_letters=world.dead_letters,
        on_handled=handled.append,
    )
    await world.publish(*(str(n) for n in range(60)))
    async with running(consumer.run):
        await until(lambda: len(handled) == 60)
    assert most == 5
    assert all(one.message.deliveries == 1 for one in handled)


async def test_messages_of_one_key_run_in_order_and_keys_beside_one_another(
    world: BusWorld,
) -> None:
    order: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    now_running: set[str] = set()
    together = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal together
        key, number = message.data.decode().split()
        assert key not in now_running
        now_running.add(key)
        together = max(together, len(now_running))
        await asyncio.sleep(0.001)
        now_running.discard(key)
        order[key].append(int(number))
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=8,
        dead_letters=world.dead_letters,
        lane=lambda message: message.data.decode().split()[0],
        settings=ConsumeSettings(prefetch=64, lane_waiting_max=64),
    )
    await world.publish(*(f"{key} {n}" for n in range(15) for key in "abc"))
    async with running(consumer.run):
        await until(lambda: sum(map(len, order.values())) == 45)
    assert order == {key: list(range(15)) for key in "abc"}
    assert together == 3
    assert not world.dead_letters.rows


async def test_one_slow_key_does_not_hold_up_the_others(world: BusWorld) -> None:
    free = asyncio.Event()
    quick: list[str] = []
    slow = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal slow
        if message.data == b"slow":
            slow += 1
            await free.wait()
        else:
            quick.append(message.data.decode())
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(),
        on_message,
        concurrency=4,
        dead_letters=world.dead_letters,
        lane=lambda message: message.data.decode(),
        settings=ConsumeSettings(prefetch=4, lane_waiting_max=2, lane_full_delay_s=0.05),
    )
    await world.publish(*["slow"] * 40, "q1", "q2", "q3")
    async with running(consumer.run):
        await until(lambda: len(quick) == 3)
        assert slow == 1
        free.set()
        await until(lambda: slow == 40)
        await until(lambda: _none_left(world))


async def test_a_long_handler_keeps_its_message(world: BusWorld) -> None:
    runs = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal runs
        runs += 1
        await asyncio.sleep(1.6)
        return Outcome.APPLIED

    consumer = Consumer(
        world.nc,
        world.spec(ack_wait_s=0.6),
        on_message,
        concurrency=1,
        dead_letters=world.dead_letters,
    )
    await world.publish("first", "waits behind it")
    async with running(consumer.run):
        await until(lambda: _none_left(world))
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
        await until(lambda: _none_left(world))


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
    assert 0.25 < times[1] - times[0] < 1.0


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
        await until(lambda: _none_left(world))
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
        await until(lambda: _none_left(world))
    assert not world.dead_letters.rows


async def test_a_stop_waits_for_what_runs_and_gives_back_what_waits(world: BusWorld) -> None:
    started: list[int] = []
    finished: list[int] = []

    async def on_message(message: Message) -> Outcome:
        started.append(message.stream_seq)
        await asyncio.sleep(0.3)
        finished.append(message.stream_seq)
        return Outcome.APPLIED

    spec = world.spec(ack_wait_s=30)
    await world.publish(*"abcdefgh")
    first = Consumer(world.nc, spec, on_message, concurrency=2, dead_letters=world.dead_letters)
    async with running(first.run):
        await until(lambda: len(started) == 2)
    assert finished == [1, 2]

    async def on_leftover(message: Message) -> Outcome:
        finished.append(message.stream_seq)
        return Outcome.APPLIED

    second = Consumer(world.nc, spec, on_leftover, concurrency=4, dead_letters=world.dead_letters)
    async with running(second.run):
        await until(lambda: len(finished) == 8, timeout_s=3)
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
    (again,) = await subscription.fetch(1, timeout=1)
    assert again.data == b"x"


async def test_replicas_share_the_messages(world: BusWorld) -> None:
    seen: dict[str, list[int]] = {"one": [], "two": []}

    def consumer(name: str) -> Consumer:
        async def on_message(message: Message) -> Outcome:
            seen[name].append(message.stream_seq)
            await asyncio.sleep(0.005)
            return Outcome.APPLIED

        return Consumer(
            world.nc, world.spec(), on_message, concurrency=4, dead_letters=world.dead_letters
        )

    one, two = consumer("one"), consumer("two")
    async with running(one.run, two.run):
        await ready(one)
        await ready(two)
        await world.publish(*(str(n) for n in range(100)))
        await until(lambda: len(seen["one"]) + len(seen["two"]) == 100)
    assert sorted(seen["one"] + seen["two"]) == list(range(1, 101))
    assert min(len(seen["one"]), len(seen["two"])) > 10


async def test_a_work_queue_keeps_a_job_until_it_is_done(server: NatsServer) -> None:
    async with bus_world(server) as world:
        await world.ensure_jobs()

        async def on_job(message: Message) -> Outcome:
            return Outcome.APPLIED

        consumer = Consumer(
            world.nc, world.spec(), on_job, concurrency=4, dead_letters=world.dead_letters
        )
        await world.publish("a", "b")
        async with running(consumer.run):

            async def queue_is_empty() -> bool:
                return (await world.js.stream_info(world.stream)).state.messages == 0

            await until(queue_is_empty)


async def test_both_streams_are_made_and_made_again_without_change(server: NatsServer) -> None:
    async with bus_world(server) as world:
        await ensure_streams(world.js)
        before = (await world.js.stream_info("TAGSTREAM_EVENTS")).config
        await ensure_streams(world.js)
        after = (await world.js.stream_info("TAGSTREAM_EVENTS")).config
        assert before == after
        assert (after.max_age, after.duplicate_window) == (30 * 24 * 3600, 600)
        assert after.deny_delete
        assert after.deny_purge
        jobs = (await world.js.stream_info("TAGSTREAM_JOBS")).config
        assert jobs.retention == "workqueue"


async def test_throughput_is_that_of_batches_not_of_single_fetches(world: BusWorld) -> None:
    handled = 0

    async def on_message(message: Message) -> Outcome:
        nonlocal handled
        handled += 1
        return Outcome.APPLIED

    for _ in range(20):
        await asyncio.gather(*(world.js.publish(world.subject, b"x" * 500) for _ in range(200)))
    consumer = Consumer(
        world.nc, world.spec(), on_message, concurrency=64, dead_letters=world.dead_letters
    )
    started = time.monotonic()
    async with running(consumer.run):
        await until(lambda: handled == 4000, timeout_s=10)
    assert 4000 / (time.monotonic() - started) > 2000, "measured: 20,000/s on two idle cores"
