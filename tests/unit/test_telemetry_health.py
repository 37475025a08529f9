"""The health port answers probes and scrapes, and shrugs off bad peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tagstream.errors import Unavailable
from tagstream.telemetry import metrics, names
from tagstream.telemetry.health import Check, HealthServer


@pytest.fixture
async def checks() -> dict[str, Check]:
    return {"postgres": lambda: None}


@pytest.fixture
async def server(checks: dict[str, Check]) -> AsyncIterator[HealthServer]:
    server = HealthServer(checks)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


async def send(server: HealthServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_readiness_lists_the_reasons(server: HealthServer, checks: dict[str, Check]) -> None:
    ok = await send(server, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert ok.startswith(b"HTTP/1.1 200 OK\r\n")
    checks["nats"] = lambda: "not connected"
    refused = await send(server, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert refused.endswith(b"\r\n\r\nnats: not connected\n")


async def test_metrics_and_liveness_are_served(server: HealthServer) -> None:
    metrics.add(names.DEAD_LETTERS, consumer="c")
    text = await send(server, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert b'tagstream_dead_letters_total{consumer="c"} 1.0' in text
    head = await send(server, b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"hello\r\n\r\n", b"400"),
    ],
)
async def test_other_requests_are_refused(
    server: HealthServer, request_head: bytes, status: bytes
) -> None:
    assert (await send(server, request_head)).split(b" ")[1] == status


async def test_an_endless_head_is_dropped(server: HealthServer) -> None:
    assert await send(server, b"GET / HTTP/1.1\r\n" + b"a" * 20_000) == b""


async def test_a_port_in_use_is_said_plainly(server: HealthServer) -> None:
    with pytest.raises(Unavailable, match="port is in use"):
        await HealthServer({}).start("127.0.0.1", server.port)
