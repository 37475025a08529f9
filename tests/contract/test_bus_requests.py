"""Request and reply over FastStream, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from faststream.nats import NatsBroker

from fakes.bus_world import BusWorld, bus_world
from fakes.nats_server import NatsServer
from tagstream.bus.replies import REPLY_MAX_BYTES
from tagstream.bus.requests import Asker
from tagstream.bus.serving import build_broker, start_serving
from tagstream.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    TagstreamError,
    Unavailable,
    Upstream,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.stop()


@pytest.fixture
async def world(server: NatsServer) -> AsyncIterator[BusWorld]:
    async with bus_world(server) as world:
        yield world


def broker_for(world: BusWorld, name: str = "importer") -> NatsBroker:
    return build_broker(world.server.url, name, on_closed=lambda: None)


async def ask(world: BusWorld, body: bytes = b"x", timeout_s: float = 10) -> bytes:
    return await Asker(world.nc).ask(world.subject, lambda _: body, timeout_s=timeout_s)


async def test_three_replicas_share_the_requests_and_each_is_answered_once(
    world: BusWorld,
) -> None:
    answered: dict[str, int] = {}

    def replica(name: str) -> NatsBroker:
        broker = broker_for(world, name)

        @broker.subscriber(world.subject, queue="importer", max_workers=8)
        async def on_fetch(body: bytes) -> bytes:
            answered[name] = answered.get(name, 0) + 1
            return b"answer to " + body

        return broker

    async with AsyncExitStack() as stack:
        for name in ("one", "two", "three"):
            broker = await stack.enter_async_context(replica(name))
            await start_serving(broker)
        answers = await asyncio.gather(*(ask(world, f"{n}".encode()) for n in range(60)))
    assert answers == [f"answer to {n}".encode() for n in range(60)]
    assert sum(answered.values()) == 60
    assert len(answered) == 3


async def test_one_replica_answers_requests_beside_one_another(world: BusWorld) -> None:
    async with broker_for(world) as broker:
        together = asyncio.Barrier(4)

        @broker.subscriber(world.subject, queue="importer", max_workers=4)
        async def on_fetch(body: bytes) -> bytes:
            await together.wait()
            return body

        await start_serving(broker)
        await asyncio.gather(*(ask(world) for _ in range(4)))


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("spec.images[0]", "is not a pull spec"),
        NotFound("no such namespace"),
        Conflict("changed meanwhile"),
        Upstream("registry says no", code=429, transient=True, retry_after_s=3.5),
        Unavailable("the database is away"),
    ],
)
async def test_a_handler_s_error_reaches_the_asker(world: BusWorld, error: TagstreamError) -> None:
    async with broker_for(world) as broker:

        @broker.subscriber(world.subject, queue="importer")
        async def on_fetch(body: bytes) -> bytes:
            raise error

        await start_serving(broker)
        with pytest.raises(type(error)) as caught:
            await ask(world)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


async def test_a_bug_is_answered_at_once_without_its_text(world: BusWorld) -> None:
    async with broker_for(world) as broker:

        @broker.subscriber(world.subject, queue="importer")
        async def on_fetch(body: bytes) -> bytes:
            raise RuntimeError("password=hunter2")

        await start_serving(broker)
        with pytest.raises(TagstreamError) as caught:
            await ask(world)
    assert type(caught.value) is TagstreamError
    assert "hunter2" not in str(caught.value)


async def test_a_reply_that_nats_cannot_carry_is_an_error_not_a_timeout(world: BusWorld) -> None:
    async with broker_for(world) as broker:

        @broker.subscriber(world.subject, queue="importer")
        async def on_fetch(body: bytes) -> bytes:
            return b"x" * (REPLY_MAX_BYTES + 1)

        await start_serving(broker)
        with pytest.raises(TagstreamError, match="more than NATS carries"):
            await ask(world)


async def test_a_request_too_large_to_send_is_the_sender_s_fault(world: BusWorld) -> None:
    with pytest.raises(InvalidInput):
        await ask(world, b"x" * 2_000_000)


async def test_nobody_listening_is_heard_at_once(world: BusWorld) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="no service"):
            await ask(world, timeout_s=30)


async def test_no_answer_in_time_is_unavailable(world: BusWorld) -> None:
    async with broker_for(world) as broker:

        @broker.subscriber(world.subject, queue="importer")
        async def on_fetch(body: bytes) -> bytes:
            await asyncio.sleep(0.4)
            return body

        await start_serving(broker)
        with pytest.raises(Unavailable, match="no answer"):
            await ask(world, timeout_s=0.1)
