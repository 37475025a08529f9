"""The importer and the tag-tracker as processes: start, answer, take over the bus, stop."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from fakes.bus_world import until
from fakes.import_world import import_world
from fakes.misbehaviours import stall
from fakes.nats_server import NatsServer
from fakes.postgres import PostgresServer
from tagstream.api.images.fetcher import NatsFetcher
from tagstream.bus.connection import connect
from tagstream.bus.requests import REPLY_MAX_BYTES
from tagstream.embedded.ports import choose_ports
from tagstream.errors import TagstreamError, Unavailable
from tagstream.events.subjects import RPC_FETCH
from tagstream.importer.rpc import build_reply
from tagstream.store.migrate import migrate
from tagstream.streams.import_request import ImageImportSpec, ImportRequest


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
    """Run a service until the block ends; it must then end by itself within two seconds."""
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
        await until(ready, timeout_s=20)
        yield process
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert time.monotonic() - started < 2
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


async def test_both_services_import_by_event_and_on_request(tmp_path: Path) -> None:
    nats, postgres = NatsServer(tmp_path / "nats").start(), PostgresServer.start(tmp_path / "pg")
    urls = {"postgres_url": postgres.url, "nats_url": nats.url}
    try:
        await migrate(postgres.url)
        async with import_world(postgres.url) as world:
            digest = world.registry.add_image("app", "1")
            source = f"{world.registry.host}/app:1"
            async with (
                service("tag_tracker", **urls),
                service("importer", **urls),
                service("importer", **urls),
                connected(nats) as client,
            ):
                await world.create("app", {"t": source})

                async def imported() -> bool:
                    return (await world.load("app")).head("t") is not None

                await until(imported, timeout_s=10)
                request = ImportRequest(
                    "shop",
                    "app",
                    (ImageImportSpec(source, "t", insecure=True), ImageImportSpec("*", "u")),
                )
                fetcher = NatsFetcher(client)
                answers = await asyncio.gather(
                    *(fetcher.fetch(request, traceparent="") for _ in range(20))
                )
                found, broken = answers[0]["images"]  # type: ignore[misc]
                assert found["image"]["digest"] == digest  # type: ignore[has-type]
                assert broken["status"]["reason"] == "InternalError"  # type: ignore[has-type]
                assert all(answer == answers[0] for answer in answers)
    finally:
        nats.stop()
        postgres.stop()


async def test_work_under_way_does_not_hold_up_the_end(tmp_path: Path) -> None:
    nats, postgres = NatsServer(tmp_path / "nats").start(), PostgresServer.start(tmp_path / "pg")
    urls = {"postgres_url": postgres.url, "nats_url": nats.url}
    try:
        await migrate(postgres.url)
        async with import_world(postgres.url) as world, connected(nats) as client:
            world.registry.add_image("app", "1")
            world.registry.misbehave("/v2/app/", stall(60))
            source = f"{world.registry.host}/app:1"
            async with service("tag_tracker", **urls), service("importer", **urls):
                await world.create("app", {"t": source})
                image = ImageImportSpec(source, "t", insecure=True)
                request = ImportRequest("shop", "app", (image,), deadline_s=5)
                asked = asyncio.create_task(NatsFetcher(client).fetch(request, traceparent=""))
                await until(lambda: len(world.registry.paths("/v2/app/")) == 2)
            with pytest.raises(TagstreamError):
                await asked
            world.registry.behave()
            # The job was given back, and is done by the next importer.
            async with service("tag_tracker", **urls), service("importer", **urls):

                async def imported() -> bool:
                    return (await world.load("app")).head("t") is not None

                await until(imported, timeout_s=10)
    finally:
        nats.stop()
        postgres.stop()


async def test_nobody_to_ask_is_told_at_once(tmp_path: Path) -> None:
    nats = NatsServer(tmp_path).start()
    try:
        async with connected(nats) as client:
            with pytest.raises(Unavailable, match="no service is listening"):
                await NatsFetcher(client).fetch(ImportRequest("ns", "app"), traceparent="")
    finally:
        nats.stop()


async def test_a_large_result_travels_compressed(tmp_path: Path) -> None:
    body = orjson.dumps({"images": ["x" * 100] * 50_000})
    reply = await build_reply(body)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < REPLY_MAX_BYTES < len(body)
    nats = NatsServer(tmp_path).start()
    try:
        async with connected(nats) as client:

            async def answer(message: Msg) -> None:
                await message.respond(gzip.compress(body))

            await client.subscribe(RPC_FETCH, cb=answer)
            fetched = await NatsFetcher(client).fetch(ImportRequest("ns", "a"), traceparent="")
            assert orjson.dumps(fetched) == body
    finally:
        nats.stop()


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
