"""The importer and the tag-tracker as processes: start, answer, take over the bus, stop."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from fakes.bus_world import until
from fakes.import_world import ImportWorld, import_world
from fakes.misbehaviours import slow
from fakes.nats_server import NatsServer
from tagstream.api.images.fetcher import NatsFetcher
from tagstream.bus.connection import connect
from tagstream.bus.replies import REPLY_MAX_BYTES
from tagstream.embedded.ports import choose_ports
from tagstream.errors import TagstreamError, Unavailable
from tagstream.events.subjects import RPC_FETCH
from tagstream.importer.rpc import build_reply
from tagstream.streams.import_request import ImageImportSpec, ImportRequest


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.stop()


@dataclass(frozen=True)
class Servers:
    nats: NatsServer
    world: ImportWorld
    urls: Mapping[str, str]


@pytest.fixture
async def servers(database_url: str, nats: NatsServer) -> AsyncIterator[Servers]:
    async with import_world(database_url) as world:
        yield Servers(nats, world, {"postgres_url": database_url, "nats_url": nats.url})


def readiness(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError as error:
        return str(error)


@asynccontextmanager
async def service(module: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service until the block ends; it must then end by itself within five seconds."""
    (port,) = choose_ports([0])
    environment = {f"TAGSTREAM_{key.upper()}": value for key, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tagstream.{module}",
        env={
            **os.environ,
            "PYTHONPATH": ":".join(sys.path),
            "TAGSTREAM_HEALTH_PORT": str(port),
            **environment,
        },
    )

    async def ready() -> bool:
        assert process.returncode is None
        return await asyncio.to_thread(readiness, port) == "ok\n"

    try:
        await until(ready, timeout_s=30)
        yield process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[Client]:
    client = await connect(server.url, name="test", on_closed=lambda: None, timeout_s=5)
    try:
        yield client
    finally:
        await client.close()


async def test_both_services_import_by_event_and_on_request(servers: Servers) -> None:
    world, urls = servers.world, servers.urls
    digest = world.registry.add_image("app", "1")
    source = f"{world.registry.host}/app:1"
    async with (
        service("tag_tracker", **urls),
        service("importer", **urls),
        service("importer", **urls),
        connected(servers.nats) as client,
    ):
        await world.create("app", {"t": source})

        async def imported() -> bool:
            return (await world.load("app")).head("t") is not None

        await until(imported)
        image = ImageImportSpec(source, "t", insecure=True)
        request = ImportRequest("shop", "app", (image, ImageImportSpec("*", "u")))
        fetcher = NatsFetcher(client)
        answers: list[Any] = await asyncio.gather(
            *(fetcher.fetch(request, traceparent="") for _ in range(20))
        )
    found, broken = answers[0]["images"]
    assert found["image"]["digest"] == digest
    assert broken["status"]["reason"] == "InternalError"
    assert all(answer == answers[0] for answer in answers)


async def test_work_under_way_does_not_hold_up_the_end_and_goes_on(servers: Servers) -> None:
    world, urls = servers.world, servers.urls
    digest = world.registry.add_image("app", "1")
    world.registry.misbehave("/v2/app/", slow(60))
    source = f"{world.registry.host}/app:1"
    async with connected(servers.nats) as client, service("tag_tracker", **urls):
        async with service("importer", **urls):
            await world.create("app", {"t": source})
            image = ImageImportSpec(source, "t", insecure=True)
            request = ImportRequest("shop", "app", (image,), deadline_s=60)
            asked = asyncio.create_task(NatsFetcher(client).fetch(request, traceparent=""))
            await until(lambda: len(world.registry.paths("/v2/app/")) == 2)
        world.registry.behave()
        # Job and request were given back, and are done by the next importer.
        async with service("importer", **urls):

            async def imported() -> bool:
                return (await world.load("app")).head("t") is not None

            await until(imported)
            answer: Any = await asked
    assert answer["images"][0]["image"]["digest"] == digest


async def test_nobody_to_ask_is_told_at_once(nats: NatsServer) -> None:
    async with connected(nats) as client:
        with pytest.raises(Unavailable, match="no service is listening"):
            await NatsFetcher(client).fetch(ImportRequest("ns", "app"), traceparent="")


async def test_a_large_result_travels_compressed(nats: NatsServer) -> None:
    body = orjson.dumps({"images": ["x" * 100] * 50_000})
    reply = await build_reply(body)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < REPLY_MAX_BYTES < len(body)

    async def answer(message: Msg) -> None:
        await message.respond(gzip.compress(body))

    async with connected(nats) as client:
        await client.subscribe(RPC_FETCH, cb=answer)
        fetched = await NatsFetcher(client).fetch(ImportRequest("ns", "a"), traceparent="")
    assert orjson.dumps(fetched) == body


async def test_a_result_that_never_fits_is_refused() -> None:
    with pytest.raises(TagstreamError, match="import less"):
        await build_reply(os.urandom(2 * REPLY_MAX_BYTES))


@pytest.mark.parametrize("module", ["importer", "tag_tracker"])
async def test_missing_settings_end_the_start_in_one_line(module: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tagstream.{module}",
        env={"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().count("\n") == 1
    assert "TAGSTREAM_POSTGRES_URL: Field required" in err.decode()
