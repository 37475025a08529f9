"""NATS or Postgres away: what can be done is done, the rest is refused soon and clearly, and all
comes back by itself.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import (
    Answer,
    Client,
    away,
    connected,
    freeze,
    pid_of,
    readiness,
    stored_facts,
    thaw,
    until_published,
    until_ready,
    until_silent,
)
from fakes.tag_movers import World

pytestmark = pytest.mark.xdist_group("stack-faults")

_LONGEST_ANSWER_S = 35.0
_SERVICES = ("api-0", "importer-0", "tag-tracker-0", "trigger-dispatcher-0")


@pytest.fixture
async def client(faulty_stack: Stack) -> AsyncIterator[Client]:
    await until_ready(faulty_stack)
    async with connected(faulty_stack) as opened:
        yield opened


@pytest.fixture
async def world(faulty_stack: Stack, faulty_registry: FakeRegistry, client: Client) -> World:
    world = World(faulty_stack, faulty_registry, f"away-{secrets.token_hex(3)}", 2)
    await world.prepare(client)
    await until_silent(lambda: world.unsettled(client), "everything follows")
    return world


async def until_told(stack: Stack, name: str, pattern: str) -> None:
    """Return when the service says that it is not ready, and why."""

    async def ask() -> str:
        code, text = await asyncio.to_thread(readiness, stack, name)
        return "" if code == 503 and re.search(pattern, text) else f"{name}: {code} {text}"

    await until_silent(ask, f"{name} says {pattern}")


def assert_is_away(answer: Answer, code: int = 503) -> None:
    assert answer.code == code, answer
    assert answer.body["kind"] == "Status"
    assert answer.body["reason"] == {503: "ServiceUnavailable", 504: "Timeout"}[code]
    assert "Traceback" not in str(answer.body)
    assert answer.took_s < _LONGEST_ANSWER_S
    if code == 503:
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.body["details"]["retryAfterSeconds"] >= 1


async def test_without_nats_tags_move_and_the_events_come_later(
    world: World, client: Client
) -> None:
    stack = world.stack
    with away(stack, "nats"):
        for name in _SERVICES:
            await until_told(stack, name, "not connected")
        before = len(await stored_facts(stack))
        await world.push(client, "red", "shared", world.build())
        assert len(await stored_facts(stack)) > before
        refused = await world.import_once(client)
        assert_is_away(refused)
        assert refused.took_s < 10
        assert not client.refusals
    await until_ready(stack)
    await until_published(stack)
    await until_silent(lambda: world.unsettled(client), "everything follows")


async def test_a_nats_server_that_hangs_stops_no_write(world: World, client: Client) -> None:
    stack = world.stack
    freeze(stack, "nats")
    try:
        await world.push(client, "red", "shared", world.build())
        refused = await world.import_once(client, timeout_s=3)
        assert refused.code in (503, 504)
        assert_is_away(refused, refused.code)
        assert refused.took_s < 5
    finally:
        thaw(stack, "nats")
    await until_ready(stack)
    await until_published(stack)
    await until_silent(lambda: world.unsettled(client), "everything follows")


async def test_without_an_importer_an_import_is_refused_at_once(
    world: World, client: Client
) -> None:
    with away(world.stack, "importer-0"):
        await asyncio.sleep(0.5)
        refused = await world.import_once(client)
        assert_is_away(refused)
        assert refused.took_s < 5
    await until_ready(world.stack)
    answer = await world.import_once(client)
    assert answer.code == 201, answer


async def test_without_postgres_the_api_asks_to_try_again(world: World, client: Client) -> None:
    stack = world.stack
    requests = [
        ("GET", world.path("imagestreams/red"), None),
        ("GET", world.path("imagestreams"), None),
        ("POST", world.path("imagestreams"), world.stream("green")),
        ("GET", "/api/v1/namespaces", None),
        ("GET", "/apis/image.openshift.io/v1/imagestreams?limit=5", None),
    ]
    with away(stack, "postgres"):
        for name in _SERVICES:
            await until_told(stack, name, "Postgres")
        for answer in await asyncio.gather(*(client.once(*one) for one in requests)):
            assert_is_away(answer)
    await until_ready(stack)
    await world.push(client, "red", "shared", world.build())
    await until_published(stack)
    await until_silent(lambda: world.unsettled(client), "everything follows")


@pytest.mark.skipif(
    os.environ.get("TAGSTREAM_TEST_PROFILE") != "ci", reason="takes as long as the longest answer"
)
async def test_a_postgres_that_hangs_delays_an_answer_by_a_bounded_time(
    world: World, client: Client
) -> None:
    stack = world.stack
    sessions = backends(stack)
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        reads = [client.once("GET", world.path("imagestreams/red")) for _ in range(20)]
        writes = [
            client.once("POST", world.path("imagestreams"), world.stream(f"green-{number}"))
            for number in range(20)
        ]
        for answer in await asyncio.gather(*reads, *writes):
            assert answer.code in (503, 504)
            assert_is_away(answer, answer.code)
        await until_told(stack, "api-0", "Postgres")
    finally:
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)
    await until_ready(stack)
    await until_published(stack)


def backends(stack: Stack) -> list[int]:
    """The server and its sessions."""
    server = pid_of(stack, "postgres")
    assert server is not None
    children = Path(f"/proc/{server}/task/{server}/children").read_text()
    return [server, *map(int, children.split())]


def _up(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tagstream.cli", "up", "--quiet", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_data_directory_in_use_is_refused(faulty_stack: Stack) -> None:
    assert faulty_stack.process is not None
    answer = _up("--data-dir", str(faulty_stack.data_dir), "--port", "0")
    assert answer.returncode == 1
    assert f"in use by another stack (process {faulty_stack.process.pid})" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = _up("--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert answer.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use; name another one with --port" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
