"""Whatever the services do, its recording replays exactly: from its start, and from the middle.

Random requests go through the api's own storages, imports through the real handlers with a fickle
registry; only the network is missing. What a recording lacks, or a replay decides otherwise than
the store did, shows here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import cast
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.cluster import Cluster
from fakes.deliveries import Outboxes
from fakes.postgres import PostgresServer
from fakes.random_requests import WRITE, Act, FickleRegistry, Scene, histories
from fakes.replaying import play, record
from fakes.service_world import NS, build_ids, service_world
from fakes.stored_rows import clear_rows
from tagstream.api.wire.status import ApiError
from tagstream.errors import TagstreamError
from tagstream.importer import handlers
from tagstream.importer.fetch import FetchDeps
from tagstream.kube.client import KubeClient
from tagstream.registry.transport import Transport
from tagstream.store.database import Database
from tagstream.store.journal import load_head


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer, runner: asyncio.Runner) -> Iterator[Database]:
    url = runner.run(postgres_server.create_database(template="migrated"))
    opened = runner.run(Database.connect(url, name="test"))
    yield opened
    runner.run(opened.close())
    runner.run(postgres_server.drop_database(url))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories, st.floats(0, 1))
def test_random_histories_replay_from_the_start_and_from_the_middle(
    shared: Database, runner: asyncio.Runner, sequence: list[Act], middle: float
) -> None:
    runner.run(_check(shared, sequence, middle))


async def _check(database: Database, sequence: list[Act], middle: float) -> None:
    await clear_rows(database)
    registry = FickleRegistry()
    with patch.object(handlers, "fetch", registry.fetch):
        positions = await _act(database, registry, sequence)
    play(await record(database))
    if positions:
        play(await record(database, since=positions[int(middle * (len(positions) - 1))]))


async def _act(database: Database, registry: FickleRegistry, sequence: list[Act]) -> list[int]:
    """The positions that the journal had after each act that changed anything."""
    # No workload follows anything, and no request leaves the process.
    kube, fetching = cast(KubeClient, None), FetchDeps(cast(Transport, None))
    positions: list[int] = []
    async with service_world(database, Cluster(), kube, fetching, patience=timedelta(0)) as world:
        scene = Scene(world, registry, Outboxes(database), build_ids("random"), [])
        body = {"metadata": {"name": NS}}
        await world.api.namespaces.create(scene.request(), "", body, WRITE)
        for act in sequence:
            with suppress(ApiError, TagstreamError):
                await act.do(scene)
            async with database.connection() as connection:
                position = await load_head(connection)
            if position not in positions[-1:]:
                positions.append(position)
    return positions
