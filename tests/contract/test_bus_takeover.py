"""A request that a replica took and lost, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from faststream.nats import NatsMessage, NatsResponse
from nats.aio.client import Client
from nats.aio.msg import Msg

from fakes.bus_world import BusWorld, bus_world, until
from fakes.nats_server import NatsServer
from tagstream.bus.connection import connect
from tagstream.bus.requests import Asker
from tagstream.bus.serving import build_broker, start_serving
from tagstream.bus.sharing import add_shared_subscriber
from tagstream.bus.signs import SIGN_HEADER, WANTED_HEADER, Sign
from tagstream.errors import Unavailable

QUEUE = "importer"
SOON_S = 15.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.stop()


@pytest.fixture
async def world(server: NatsServer) -> AsyncIterator[BusWorld]:
    async with bus_world(server) as world:
        yield world


class Replica:
    """Answers with its name, after so long; counts what it was given."""

    def __init__(self, world: BusWorld, name: str, takes_s: float = 0.0) -> None:
        self.world, self.name, self.takes_s = world, name, takes_s
        self.given: list[bytes] = []
        self.stop = asyncio.Event()

    @asynccontextmanager
    async def serving(self, places: int = 8) -> AsyncIterator[Replica]:
        broker = build_broker(self.world.server.url, self.name, on_closed=lambda: None)
        add_shared_subscriber(
            broker, self.world.subject, self.answer, queue=QUEUE, places=places, stop=self.stop
        )
        async with broker:
            await start_serving(broker)
            yield self

    async def answer(self, payload: bytes, message: NatsMessage) -> NatsResponse:
        self.given.append(payload)
        await asyncio.sleep(self.takes_s)
        return NatsResponse(self.name.encode())


class Doomed:
    """Takes requests, says so once, and does nothing more: dead, or frozen."""

    def __init__(self, nc: Client) -> None:
        self.nc = nc
        self.taken: asyncio.Queue[Msg] = asyncio.Queue()

    async def take(self, message: Msg) -> None:
        await self.nc.publish(message.reply, headers={SIGN_HEADER: Sign.WORKING})
        await self.taken.put(message)


@asynccontextmanager
async def doomed(world: BusWorld) -> AsyncIterator[Doomed]:
    nc = await connect(world.server.url, name="doomed", on_closed=lambda: None, timeout_s=5)
    try:
        replica = Doomed(nc)
        await nc.subscribe(world.subject, queue=QUEUE, cb=replica.take)
        await nc.flush()
        yield replica
    finally:
        if not nc.is_closed:
            await nc.close()


def ask(world: BusWorld, body: bytes = b"x", timeout_s: float = 30) -> asyncio.Task[bytes]:
    return asyncio.create_task(
        Asker(world.nc).ask(world.subject, lambda _: body, timeout_s=timeout_s)
    )


async def test_one_that_falls_silent_is_replaced(world: BusWorld) -> None:
    async with doomed(world) as frozen:
        asked = ask(world)
        await frozen.taken.get()
        async with Replica(world, "second").serving():
            async with asyncio.timeout(SOON_S):
                assert await asked == b"second"


async def test_one_that_never_said_a_word_is_replaced(world: BusWorld) -> None:
    await world.nc.subscribe(world.subject, queue=QUEUE)
    asked = ask(world)
    await asyncio.sleep(0.2)
    async with Replica(world, "second").serving():
        async with asyncio.timeout(SOON_S):
            assert await asked == b"second"


async def test_the_next_one_may_come_later(world: BusWorld) -> None:
    async with doomed(world) as dead:
        asked = ask(world)
        await dead.taken.get()
    await asyncio.sleep(4)
    assert not asked.done()
    async with Replica(world, "restarted").serving():
        async with asyncio.timeout(SOON_S):
            assert await asked == b"restarted"


async def test_when_none_comes_the_deadline_holds(world: BusWorld) -> None:
    async with doomed(world) as dead:
        asked = ask(world, timeout_s=4)
        await dead.taken.get()
    async with asyncio.timeout(SOON_S):
        with pytest.raises(Unavailable, match="no answer"):
            await asked


async def test_one_that_is_slow_and_alive_keeps_it(world: BusWorld) -> None:
    slow = Replica(world, "slow", takes_s=2.5)
    async with slow.serving(places=1):
        assert set(await asyncio.gather(ask(world), ask(world))) == {b"slow"}
    assert len(slow.given) == 2


async def test_one_that_stops_hands_it_on_at_once(world: BusWorld) -> None:
    leaving, staying = Replica(world, "leaving", takes_s=60), Replica(world, "staying")
    async with leaving.serving():
        asked = ask(world)
        await asyncio.sleep(0.2)
        async with staying.serving():
            leaving.stop.set()
            assert await asked == b"staying"
    assert len(leaving.given) == 1


async def test_a_server_that_is_restarted_meanwhile_loses_no_request(world: BusWorld) -> None:
    async with Replica(world, "busy", takes_s=3).serving() as busy:
        asked = ask(world)
        await until(lambda: bool(busy.given))
        await asyncio.to_thread(world.server.restart)
        assert await asked == b"busy"


async def test_the_first_answer_counts_whoever_gives_it(world: BusWorld) -> None:
    async with doomed(world) as frozen:
        asked = ask(world)
        taken = await frozen.taken.get()
        second = Replica(world, "second", takes_s=10)
        async with second.serving():
            await until(lambda: bool(second.given))
            await frozen.nc.publish(taken.reply, b"awake again")
            assert await asked == b"awake again"
            second.stop.set()


async def test_a_replica_does_not_begin_twice_what_it_has(world: BusWorld) -> None:
    replica = Replica(world, "only", takes_s=1)
    async with replica.serving():
        inbox = world.nc.new_inbox()
        heard = await world.nc.subscribe(inbox)
        for _ in range(5):
            headers = {WANTED_HEADER: "1"}
            await world.nc.publish(world.subject, b"x", reply=inbox, headers=headers)
        messages = [await heard.next_msg(timeout=5) for _ in range(6)]
        signs = [(message.headers or {}).get(SIGN_HEADER) for message in messages]
    assert signs == [Sign.WORKING] * 5 + [None]
    assert len(replica.given) == 1


async def test_each_one_that_gets_it_is_told_what_time_is_left(world: BusWorld) -> None:
    async with doomed(world) as frozen, Replica(world, "second").serving() as second:
        left_s: list[float] = []

        def build_payload(left: float) -> bytes:
            left_s.append(left)
            return b"x"

        while not frozen.taken.qsize():
            left_s.clear()
            await Asker(world.nc).ask(world.subject, build_payload, timeout_s=20)
    assert second.given
    first, again = left_s
    assert 19 < first <= 20
    assert 20 - SOON_S < again < 18


async def test_one_of_an_older_release_is_waited_for(world: BusWorld) -> None:
    given = 0
    async with build_broker(world.server.url, "old", on_closed=lambda: None) as broker:

        @broker.subscriber(world.subject, queue=QUEUE, max_workers=4)
        async def on_fetch(body: bytes) -> bytes:
            nonlocal given
            given += 1
            await asyncio.sleep(4)
            return b"old"

        await start_serving(broker)
        assert await ask(world) == b"old"
    assert given == 1


async def test_an_asker_of_an_older_release_hears_no_signs(world: BusWorld) -> None:
    replica = Replica(world, "new", takes_s=2)
    async with replica.serving():
        reply = await world.nc.request(world.subject, b"x", timeout=5)
        assert reply.data == b"new"
        later = asyncio.create_task(world.nc.request(world.subject, b"x", timeout=5))
        await asyncio.sleep(0.2)
        replica.stop.set()
        assert ((await later).headers or {})["Tagstream-Error"] == "Unavailable"


async def test_a_quick_answer_costs_no_sign(world: BusWorld) -> None:
    async with Replica(world, "quick").serving():
        signs: list[Msg] = []

        async def hear(message: Msg) -> None:
            signs.append(message)

        await world.nc.subscribe("_INBOX.>", cb=hear)
        await ask(world)
        await asyncio.sleep(1.2)
    assert [SIGN_HEADER in (message.headers or {}) for message in signs] == [False]
