"""Housekeeping on a real Postgres: namespaces end, dependents follow owners, old rows go."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from fakes.postgres import PostgresServer
from tagstream.api.access.namespace_defaults import DEFAULT_KEYS
from tagstream.api.access.system_objects import (
    SystemObject,
    build_namespace,
    insert_object,
)
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.generic_storage import GenericStorage
from tagstream.api.engine.storage import DeleteOptions, WriteOptions
from tagstream.api.housekeeping.keeper import LEASE, Housekeeper
from tagstream.api.kinds.configuration import CONFIG_MAPS
from tagstream.api.kinds.namespaces import NAMESPACES
from tagstream.errors import Conflict
from tagstream.events.subjects import EVENTS_STREAM
from tagstream.store.database import Database
from tagstream.store.journal import Command, load_oldest, transaction
from tagstream.store.leases import Lease
from tagstream.store.migrate import migrate
from tagstream.store.outbox import read_outbox, save_cursor
from tagstream.store.resources import list_in_namespace, load_resource
from tagstream.store.stream_writes import create_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import (
    ImageStream,
    StreamMetadata,
    TagEvent,
    TagHistory,
    TagReference,
    TagSource,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REGISTRY = "registry.internal:5000"
ADMIN = User("admin", frozenset({"system:masters"}))
DIGEST = "sha256:" + "a" * 64


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@dataclass
class World:
    """A database, its housekeeper, and the storages of two kinds."""

    database: Database
    keeper: Housekeeper
    clock: list[datetime] = field(default_factory=lambda: [NOW])

    @property
    def namespaces(self) -> GenericStorage:
        return GenericStorage(NAMESPACES.kind, self.database, NAMESPACES.rules)

    @property
    def config_maps(self) -> GenericStorage:
        return GenericStorage(CONFIG_MAPS.kind, self.database, CONFIG_MAPS.rules)

    async def insert(self, *objects: SystemObject, at: datetime = NOW) -> None:
        async with transaction(self.database, command(at)) as tx:
            for one in objects:
                await insert_object(tx, one)

    async def make_map(self, name: str, *owners: str, **metadata: Any) -> str:
        """A config map in `team`; returns its uid."""
        references = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": "owner",
                "uid": uid,
                "blockOwnerDeletion": True,
            }
            for uid in owners
        ]
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": "team",
                "ownerReferences": references,
                **metadata,
            },
        }
        made = await self.config_maps.create(context(), "team", body, WriteOptions())
        return str(made["metadata"]["uid"])

    async def delete_map(self, name: str, propagation: str = "Background") -> None:
        options = DeleteOptions(propagation=propagation)
        await self.config_maps.delete(context(), "team", name, options)

    async def maps(self) -> list[str]:
        async with self.database.connection() as connection:
            rows = await list_in_namespace(connection, "team", 1000)
        return [row.name for row in rows if row.resource == "configmaps"]

    async def count(self, table: str) -> int:
        async with self.database.connection() as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))

    async def has_namespace(self, name: str = "team") -> bool:
        async with self.database.connection() as connection:
            return await load_resource(connection, "", "namespaces", "", name) is not None


def command(at: datetime = NOW) -> Command:
    return Command(str(uuid.uuid4()), "test", at, "test")


def context() -> RequestContext:
    return RequestContext(ADMIN, NOW, str(uuid.uuid4()))


def build_stream(**metadata: Any) -> ImageStream:
    event = TagEvent(NOW, f"quay.io/team/app@{DIGEST}", DIGEST, 1)
    source = TagSource("DockerImage", "quay.io/team/app:1")
    return ImageStream(
        "team",
        "app",
        str(uuid.uuid4()),
        NOW,
        metadata=StreamMetadata(**metadata),
        spec_tags=MappingProxyType({"1": TagReference("1", source, generation=1)}),
        status_tags=MappingProxyType({"1": TagHistory("1", (event,))}),
    )


@pytest.fixture
async def world(postgres: PostgresServer) -> AsyncIterator[World]:
    url = await postgres.create_database()
    await migrate(url)
    database = await Database.connect(url, name="test")
    clock = [NOW]
    keeper = Housekeeper(database, lambda: clock[0], REGISTRY)
    # Nobody renews it here, and a busy machine may need longer than its three seconds.
    keeper.deps = replace(keeper.deps, lease=Lease(database, LEASE, ttl_s=600))
    await keeper.deps.lease.take()
    made = World(database, keeper, clock)
    await made.insert(build_namespace("team"))
    await keeper.look_at_everything()
    yield made
    await database.close()
    await postgres.drop_database(url)


# --- namespaces -------------------------------------------------------------------------------


async def test_defaults_are_made_and_repaired(world: World) -> None:
    async def keys() -> set[tuple[str, str, str]]:
        async with world.database.connection() as connection:
            rows = await list_in_namespace(connection, "team", 100)
        return {(row.group, row.resource, row.name) for row in rows}

    assert await keys() == set(DEFAULT_KEYS)
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM resources WHERE name = 'builder'")
    await world.keeper.look_at_everything()
    assert await keys() == set(DEFAULT_KEYS)


async def test_a_deleted_namespace_takes_everything_along(world: World) -> None:
    for number in range(250):
        await world.make_map(f"m{number}")
    async with transaction(world.database, command()) as tx:
        await create_stream(tx, build_stream(), REGISTRY)
    left = await world.namespaces.delete(context(), "", "team", DeleteOptions())
    assert left["status"] == {"phase": "Terminating"}
    await world.keeper.look_at_everything()
    assert not await world.has_namespace()
    async with world.database.connection() as connection:
        assert await list_in_namespace(connection, "team", 10) == []
    assert await world.count("streams") == 0
    facts = await read_outbox(world.database, "facts", 0, 1000)
    assert [fact.type for fact in facts if "tag.deleted" in fact.type] != []


async def test_a_finalizer_keeps_its_object_and_the_namespace(world: World) -> None:
    await world.make_map("held", finalizers=["example.com/wait"])
    await world.make_map("free")
    await world.namespaces.delete(context(), "", "team", DeleteOptions())
    await world.keeper.look_at_everything()
    assert await world.maps() == ["held"]
    assert await world.has_namespace()

    def release(current: Any) -> Any:
        return {**current, "metadata": {**current["metadata"], "finalizers": []}}

    await world.config_maps.update(context(), "team", "held", release, WriteOptions())
    await world.keeper.look_at_changes()
    assert not await world.has_namespace()


async def test_a_stream_with_a_finalizer_is_marked_and_waits(world: World) -> None:
    async with transaction(world.database, command()) as tx:
        await create_stream(tx, build_stream(finalizers=("example.com/wait",)), REGISTRY)
    await world.namespaces.delete(context(), "", "team", DeleteOptions())
    await world.keeper.look_at_everything()
    async with world.database.connection() as connection:
        stream = await load_stream(connection, "team", "app")
    assert stream is not None
    assert stream.metadata.deletion_timestamp == NOW
    assert await world.has_namespace()


async def test_what_is_left_in_a_namespace_that_is_gone_goes_too(world: World) -> None:
    await world.make_map("late")
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM resources WHERE resource = 'namespaces'")
    await world.keeper.look_at_everything()
    assert await world.maps() == []


async def test_who_has_lost_the_lease_changes_nothing(world: World) -> None:
    await world.namespaces.delete(context(), "", "team", DeleteOptions())
    async with world.database.connection() as connection:
        await connection.execute("UPDATE leases SET holder = 'other', epoch = epoch + 1")
    await world.keeper.look_at_everything()
    assert await world.has_namespace()
    with pytest.raises(Conflict):
        async with world.keeper.deps.transaction("test", "", {}):
            pass


async def test_a_running_housekeeper_ends_namespaces_soon(world: World) -> None:
    await world.keeper.deps.lease.release()
    stop = asyncio.Event()
    running = asyncio.create_task(world.keeper.run(stop))
    try:
        await world.insert(build_namespace("other"))
        await asyncio.sleep(0.3)
        await world.make_map("one")
        await world.namespaces.delete(context(), "", "team", DeleteOptions())
        for _ in range(1000):
            if not await world.has_namespace():
                break
            await asyncio.sleep(0.01)
        assert not await world.has_namespace()
        async with world.database.connection() as connection:
            assert len(await list_in_namespace(connection, "other", 10)) == len(DEFAULT_KEYS)
    finally:
        stop.set()
        await running


# --- owners -----------------------------------------------------------------------------------


async def test_dependents_follow_a_deleted_owner_in_the_background(world: World) -> None:
    top = await world.make_map("top")
    middle = await world.make_map("middle", top)
    await world.make_map("leaf", middle)
    await world.make_map("other")
    await world.delete_map("top")
    await world.keeper.look_at_changes()
    await world.keeper.look_at_changes()
    assert await world.maps() == ["other"]


async def test_a_full_look_finds_what_no_message_told(world: World) -> None:
    await world.make_map("leaf", str(uuid.uuid4()))
    await world.make_map("odd", "not-a-uid")
    await world.keeper.look_at_everything()
    assert await world.maps() == []


async def test_a_dependent_with_another_owner_only_forgets_the_lost_one(world: World) -> None:
    one, two = await world.make_map("one"), await world.make_map("two")
    await world.make_map("leaf", one, two)
    await world.delete_map("one")
    await world.keeper.look_at_changes()
    leaf = await world.config_maps.get(context(), "team", "leaf")
    assert [ref["uid"] for ref in leaf["metadata"]["ownerReferences"]] == [two]


async def test_an_owner_deleted_in_the_foreground_goes_last(world: World) -> None:
    top = await world.make_map("top")
    await world.make_map("held", top, finalizers=["example.com/wait"])
    await world.make_map("free", top)
    await world.delete_map("top", "Foreground")
    await world.keeper.look_at_changes()
    assert await world.maps() == ["held", "top"]

    def release(current: Any) -> Any:
        return {**current, "metadata": {**current["metadata"], "finalizers": []}}

    await world.config_maps.update(context(), "team", "held", release, WriteOptions())
    await world.keeper.look_at_everything()
    assert await world.maps() == []


async def test_orphans_stay_and_forget_their_owner(world: World) -> None:
    top = await world.make_map("top")
    await world.make_map("leaf", top)
    await world.delete_map("top", "Orphan")
    await world.keeper.look_at_changes()
    assert await world.maps() == ["leaf"]
    leaf = await world.config_maps.get(context(), "team", "leaf")
    assert "ownerReferences" not in leaf["metadata"]
    await world.keeper.look_at_everything()
    assert await world.maps() == ["leaf"]


async def test_a_stream_follows_its_owner(world: World) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": str(uuid.uuid4())}
    async with transaction(world.database, command()) as tx:
        await create_stream(tx, build_stream(owner_references=(owner,)), REGISTRY)
    await world.keeper.look_at_everything()
    assert await world.count("streams") == 0


# --- age --------------------------------------------------------------------------------------


async def test_events_go_an_hour_after_they_were_last_seen(world: World) -> None:
    old = NOW - timedelta(hours=2)
    seen = {"lastTimestamp": "2026-11-23T11:30:00Z"}
    await world.insert(
        SystemObject("", "events", "Event", "team", "old", {}),
        SystemObject("", "events", "Event", "team", "repeated", seen),
        at=old,
    )
    await world.insert(SystemObject("", "events", "Event", "team", "new", {}))
    await world.keeper.look_at_everything()
    async with world.database.connection() as connection:
        rows = await list_in_namespace(connection, "team", 100)
    assert [row.name for row in rows if row.resource == "events"] == ["new", "repeated"]


async def test_old_changes_go_oldest_first_and_never_past_a_young_one(world: World) -> None:
    await world.insert(build_namespace("b"), at=NOW + timedelta(days=7, hours=2))
    await world.insert(build_namespace("c"), at=NOW)
    world.clock[0] = NOW + timedelta(days=7, hours=1)
    await world.keeper.look_at_everything()
    async with world.database.connection() as connection:
        rows = await connection.fetch("SELECT name FROM changes ORDER BY position")
        assert [row["name"] for row in rows][:2] == ["b", "c"]
        first = await connection.fetchval("SELECT min(position) FROM changes")
        assert await load_oldest(connection) == first - 1


async def test_facts_go_when_they_are_old_and_were_relayed(world: World) -> None:
    async with transaction(world.database, command()) as tx:
        await create_stream(tx, build_stream(), REGISTRY)
    assert await world.count("facts") > 0
    world.clock[0] = NOW + timedelta(days=8)
    await world.keeper.look_at_everything()
    kept = await world.count("facts")
    assert kept > 0
    await save_cursor(world.database, EVENTS_STREAM, tx.position, 1)
    await world.keeper.look_at_everything()
    assert await world.count("facts") < kept
    assert await world.count("commands") == 0


async def test_nothing_else_of_a_command_goes_before_its_changes(world: World) -> None:
    await world.insert(build_namespace("young"), at=NOW + timedelta(days=30))
    async with transaction(world.database, command()) as tx:
        await create_stream(tx, build_stream(), REGISTRY)
    await save_cursor(world.database, EVENTS_STREAM, tx.position, 1)
    told = await world.count("facts")
    world.clock[0] = NOW + timedelta(days=8)
    await world.keeper.look_at_everything()
    async with world.database.connection() as connection:
        first = await connection.fetchval("SELECT min(position) FROM changes")
        assert await connection.fetchval("SELECT min(position) FROM commands") == first
    assert await world.count("facts") == told
