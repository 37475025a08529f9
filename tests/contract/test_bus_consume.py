"""The durable pull loop against a real server that behaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from fakes.bus_world import BusWorld, bus_world, ready, running, until
from fakes.nats_server import NatsServer
from tagstream.bus.consume import Consumer, Handled
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Outcome
from tagstream.bus.topology import ensure_streams


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
        await until(world.is_done)
    (message,) = seen
    assert message.headers["ce-id"] == "7"
    assert message.headers["content-type"] == "x"
    assert (message.data, message.stream_seq, message.deliveries) == (b"body", 1, 1)
    assert message.published_at.tzinfo is not None
    assert handled[0].label == "applied"


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
    # Those that nothing else on the machine held up; who asks from time to time has few of them.
    assert sorted(delays)[len(delays) // 4] < 0.01


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
        await until(world.is_done)


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


async def test_messages_are_fetched_in_batches_and_not_one_by_one(world: BusWorld) -> None:
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
    sent = world.nc.stats["out_msgs"]
    async with running(consumer.run):
        await until(lambda: handled == 4000)
    # An answer each, and few requests: 20,000 messages a second on two idle cores.
    assert world.nc.stats["out_msgs"] - sent < 4000 + 400
