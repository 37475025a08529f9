"""Servers that tests share: one of each for a session, or for each worker of pytest-xdist.

A test that mistreats a server (kills, freezes or fills it) starts its own from `fakes` instead.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fakes.nats_server import NatsServer
from fakes.postgres import PostgresServer
from fakes.registry import FakeRegistry
from fakes.stack import Stack, connect_to_stack, start_stack
from tagstream.store.database import Database
from tagstream.store.migrate import migrate

TEMPLATE = "migrated"

# How fast the machine is, and who else uses it, is nothing that an example can be blamed for.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests of a file on one worker, where its servers are, unless they name a group
    (`--dist loadgroup`)."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL with fsync off and a migrated database `migrated` to copy from."""
    # Not in pytest's own folder, which only the user who runs the tests may enter.
    folder = Path(tempfile.mkdtemp(prefix="tagstream-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer.start(folder)
    try:
        asyncio.run(_make_template(server))
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _make_template(server: PostgresServer) -> None:
    await migrate(await server.create_database(TEMPLATE))


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database of this test alone, without any table."""
    url = await postgres_server.create_database()
    yield url
    await postgres_server.drop_database(url)


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A migrated database of this test alone."""
    url = await postgres_server.create_database(template=TEMPLATE)
    yield url
    await postgres_server.drop_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a migrated database of this test alone."""
    opened = await Database.connect(database_url, name="test", size=40)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A nats-server with JetStream; use streams of your own names."""
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A whole running stack; `TAGSTREAM_TEST_STACK` names the data directory of one to use."""
    running = os.environ.get("TAGSTREAM_TEST_STACK")
    if running:
        yield connect_to_stack(Path(running))
        return
    folder = Path(tempfile.mkdtemp(prefix="tagstream-stack-"))
    folder.chmod(0o755)
    started = start_stack(folder / "data")
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def golden_registry() -> Iterator[FakeRegistry]:
    """One address for all replays: images are cluster-wide and remember where they came from."""
    registry = FakeRegistry()
    registry.start_in_thread()
    yield registry
    registry.stop_in_thread()
