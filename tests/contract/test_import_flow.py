"""Imports from a wish to a moved tag, on a real Postgres, a real NATS and a small registry."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from fakes.bus_world import until
from fakes.import_world import NS, ImportWorld, import_world
from fakes.misbehaviours import slow as slowly
from fakes.nats_server import NatsServer
from fakes.registry import FakeRegistry
from tagstream.bus.connection import connect
from tagstream.bus.topology import ensure_streams
from tagstream.importer.budget import SharedBudget
from tagstream.importer.handlers import fetch_and_keep
from tagstream.store.journal import transaction
from tagstream.store.leases import Lease
from tagstream.store.registry_budget import take_permits
from tagstream.store.resources import Resource, insert_resource, list_resources
from tagstream.store.sealing import AesGcmSealer
from tagstream.streams.import_request import ImageImportSpec, ImportRequest
from tagstream.streams.imports import CHECK_ANNOTATION
from tagstream.tag_tracker.relaying import run_relay
from tagstream.tag_tracker.resyncing import resync


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[ImportWorld]:
    async with import_world(database_url) as opened:
        yield opened


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.stop()


async def test_a_pending_tag_is_imported_over_the_bus(world: ImportWorld, nats: NatsServer) -> None:
    digest = world.registry.add_image("python", "3.5")
    host = world.registry.host

    async def imported() -> bool:
        return (await world.load("py")).head("3.5") is not None

    async with world.flowing(nats) as client:
        created = await world.create("py", {"3.5": f"{host}/python:3.5"})
        assert (created.generation, created.spec_tags["3.5"].generation) == (1, 1)
        await until(imported)
        stream = await world.load("py")
        head = stream.head("3.5")
        assert head is not None
        assert (stream.generation, stream.spec_tags["3.5"].generation, head.generation) == (2, 2, 2)
        assert head.image == digest
        assert head.docker_image_reference == f"{host}/python@{digest}"
        await world.set_tag("py", "3.5", f"{host}/python:missing")

        async def failed() -> bool:
            return bool((await world.load("py")).history("3.5").conditions)

        await until(failed)
        subject = f"tagstream.events.{NS}.tag.changed.py.3%2E5"
        moved = await client.jetstream().get_last_msg("TAGSTREAM_EVENTS", subject)
        assert orjson.loads(moved.data or b"")["newImage"] == digest
    stream = await world.load("py")
    assert (stream.generation, stream.spec_tags["3.5"].generation) == (4, 4)
    assert stream.history("3.5").conditions[0].generation == 4
    assert stream.head("3.5") == head
    assert await world.count("images") == 1
    assert await world.count("imports WHERE applied_at IS NULL") == 0


async def test_a_failed_import_leaves_a_condition_and_an_event(world: ImportWorld) -> None:
    await world.create("py", {"a": f"{world.registry.host}/nope:1"})
    assert await world.order() == ["applied"]
    assert await world.fetch() == ["applied"]
    assert await world.apply() == ["applied"]
    stream = await world.load("py")
    (condition,) = stream.history("a").conditions
    assert (condition.reason, condition.status, condition.generation) == ("NotFound", "False", 2)
    assert (stream.generation, stream.spec_tags["a"].generation) == (2, 2)
    async with world.database.connection() as connection:
        (event,) = await list_resources(connection, "", "events", namespace=NS)
    assert event.body["reason"] == "ImportFailed"
    assert "not found" in str(event.body["message"])
    await world.order()
    assert await world.count("jobs") == 1


async def test_a_tag_deleted_during_its_import_stays_deleted(world: ImportWorld) -> None:
    world.registry.add_image("app", "1")
    source = f"{world.registry.host}/app:1"
    await world.create("app", {"gone": source, "kept": source})
    await world.order()
    await world.set_tag("app", "gone", None)
    assert await world.fetch() == ["applied"]
    assert await world.apply() == ["applied"]
    stream = await world.load("app")
    assert stream.spec_tags.keys() == stream.status_tags.keys() == {"kept"}


async def test_a_tag_retargeted_during_its_import_waits_for_its_own(world: ImportWorld) -> None:
    for tag in ("1", "2"):
        world.registry.add_image("app", tag)
    await world.create("app", {"t": f"{world.registry.host}/app:1"})
    await world.order()
    await world.set_tag("app", "t", f"{world.registry.host}/app:2")
    await world.order()
    assert await world.count("imports") == 2
    assert await world.fetch() == ["applied", "applied"]
    assert sorted(await world.apply()) == ["applied", "skipped"]
    stream = await world.load("app")
    assert [item.generation for item in stream.history("t").items] == [3]
    assert await world.order() == []


async def test_doubled_messages_do_no_harm(world: ImportWorld) -> None:
    world.registry.add_image("app", "1")
    await world.create("app", {"t": f"{world.registry.host}/app:1"})
    await world.order()
    world._seen.clear()
    assert await world.order() == ["unchanged"]
    await world.fetch()
    world._seen.pop("jobs")
    assert await world.fetch() == ["unchanged"]
    assert await world.apply() == ["applied"]
    version = (await world.load("app")).version
    world._seen.clear()
    assert await world.apply() == ["unchanged"]
    assert (await world.load("app")).version == version
    assert await world.count("tag_items") == 1


async def test_two_importers_finish_one_import_once(world: ImportWorld) -> None:
    world.registry.add_image("app", "1")
    await world.create("app", {"t": f"{world.registry.host}/app:1"})
    await world.order()
    outcomes = await asyncio.gather(*(_again(world) for _ in range(4)))
    assert sorted(outcomes).count("applied") == 1
    assert await world.count("facts WHERE type LIKE '%import.completed%'") == 1


async def _again(world: ImportWorld) -> str:
    other = replace(world, _seen={})
    (outcome,) = await other.fetch()
    return outcome


async def test_a_deleted_stream_ends_its_imports(world: ImportWorld) -> None:
    await world.create("app", {"t": f"{world.registry.host}/app:1"})
    await world.order()
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM streams")
    assert await world.fetch() == ["gone"]
    world._seen.clear()
    assert await world.order() == ["gone"]


async def test_lost_messages_are_repaired_by_looking(world: ImportWorld) -> None:
    world.registry.add_image("app", "1")
    await world.create("app", {"t": f"{world.registry.host}/app:1"})
    await world.new_messages("facts")
    await resync(world.tracker)
    assert await world.count("imports") == 1
    await world.new_messages("jobs")
    await resync(world.tracker)
    assert await world.count("jobs") == 1
    world.clock.forward(minutes=11)
    await resync(world.tracker)
    assert await world.count("jobs") == 2
    await world.fetch()
    await world.new_messages("facts")
    await resync(world.tracker)
    assert (await world.load("app")).head("t") is None
    world.clock.forward(minutes=2)
    await resync(world.tracker)
    assert (await world.load("app")).head("t") is not None


async def test_an_import_whose_images_left_the_cache_runs_again(world: ImportWorld) -> None:
    world.registry.add_image("app", "1")
    await world.create("app", {"t": f"{world.registry.host}/app:1"})
    await world.order()
    await world.fetch()
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM manifest_cache")
    assert await world.apply() == ["skipped"]
    assert await world.fetch() == ["applied"]
    assert await world.apply() == ["applied"]
    assert await world.count("images") == 1


async def test_a_streams_repository_is_imported_once(world: ImportWorld) -> None:
    for tag in ("1", "2", "3"):
        world.registry.add_image("app", tag)
    host = world.registry.host
    await world.create("app", {"2": f"{host}/app:1"}, repository=f"{host}/app")
    assert await world.order() == ["applied"]
    assert await world.count("imports") == 2
    await resync(world.tracker)
    assert await world.count("imports") == 2
    assert await world.fetch() == ["applied", "applied"]
    assert await world.apply() == ["applied", "applied"]
    stream = await world.load("app")
    sources = {tag: ref.source and ref.source.name for tag, ref in stream.spec_tags.items()}
    assert sources == {"1": f"{host}/app:1", "2": f"{host}/app:1", "3": f"{host}/app:3"}
    assert stream.status_tags.keys() == {"1", "2", "3"}
    await resync(world.tracker)
    assert await world.count("imports") == 2


async def test_a_repository_that_does_not_exist_is_looked_at_once(world: ImportWorld) -> None:
    await world.create("app", {}, repository=f"{world.registry.host}/nope")
    await resync(world.tracker)
    assert await world.fetch() == ["applied"]
    assert await world.apply() == ["applied"]
    assert CHECK_ANNOTATION in (await world.load("app")).metadata.annotations
    await resync(world.tracker)
    assert await world.count("imports") == 1


async def test_a_slow_registry_delays_nobody_else(world: ImportWorld, nats: NatsServer) -> None:
    async with FakeRegistry() as slow, world.flowing(nats):
        slow.misbehave("/v2/", slowly(60))
        world.registry.add_image("app", "1")
        await world.create("mixed", {"slow": f"{slow.host}/app:1"})
        for number in range(60):
            await world.create(f"slow{number}", {"t": f"{slow.host}/app:1"})
        await until(lambda: len(slow.requests) >= 8)
        await world.set_tag("mixed", "fast", f"{world.registry.host}/app:1")

        async def imported() -> bool:
            return (await world.load("mixed")).head("fast") is not None

        await until(imported, timeout_s=10)
        assert len(slow.requests) == 8


async def test_a_killed_relay_is_taken_over_without_a_gap(
    world: ImportWorld, nats: NatsServer
) -> None:
    client = await connect(nats.url, name="test", on_closed=lambda: None, timeout_s=5)
    await ensure_streams(client.jetstream())
    stop = asyncio.Event()
    # Nobody renews it, and it must not end before the test says so.
    first, second = Lease(world.database, "relay", ttl_s=60), Lease(world.database, "relay")
    assert await first.take()
    killed = asyncio.create_task(run_relay(client, world.database, first, stop))

    async def published() -> int:
        return int((await client.jetstream().stream_info("TAGSTREAM_EVENTS")).state.messages)

    async def create(first_number: int) -> None:
        for number in range(first_number, first_number + 5):
            await world.create(f"s{number}", {"t": "quay.io/a/b:1"})

    async def reached(count: int) -> bool:
        return await published() == count

    await create(0)
    await until(lambda: reached(5))
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    await create(5)
    async with world.database.connection() as connection:
        await connection.execute("UPDATE leases SET expires_at = '-infinity'")
    successor = asyncio.create_task(
        second.hold(stop, lambda: run_relay(client, world.database, second, stop))
    )
    await until(lambda: reached(10))
    # The first one wakes up again and believes to be the holder: its fence says no.
    awake = asyncio.create_task(run_relay(client, world.database, first, stop))
    await create(10)
    await until(lambda: reached(15))
    stop.set()
    await asyncio.gather(awake, successor)
    ids = [
        (await client.jetstream().get_msg("TAGSTREAM_EVENTS", seq)).headers["ce-id"]  # type: ignore[index]
        for seq in range(1, 16)
    ]
    expected = [event.id for event in await world.new_messages("facts")]
    assert ids == expected
    await client.close()


async def test_sealed_pull_secrets_of_the_namespace_are_used(world: ImportWorld) -> None:
    sealer = AesGcmSealer([b"k" * 32])
    importer = replace(world.importer, sealer=sealer)
    async with FakeRegistry(basic={"team": "p"}) as private:
        private.add_image("app", "1")
        logins = {"auths": {private.host: {"username": "team", "password": "p"}}}
        await _put_secret(world, sealer, {".dockerconfigjson": logins})
        wanted = ImageImportSpec(f"{private.host}/app:1", "t", insecure=True)
        good = await fetch_and_keep(ImportRequest(NS, "app", (wanted,)), importer, "job")
        other = await fetch_and_keep(ImportRequest("other", "app", (wanted,)), importer, "job")
        locked = await fetch_and_keep(ImportRequest(NS, "app", (wanted,)), world.importer, "job")
    assert good.images[0].status.ok, good.images[0].status
    assert other.images[0].status.reason == "Unauthorized"
    assert "secret pull" in locked.images[0].status.message


async def _put_secret(world: ImportWorld, sealer: AesGcmSealer, data: dict[str, object]) -> None:
    uid = str(uuid.uuid4())
    encoded = {k: base64.b64encode(orjson.dumps(v)).decode() for k, v in data.items()}
    body = {
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "namespace": NS, "uid": uid},
        "sealed": {"keys": list(data)},
    }
    sealed = sealer.seal(orjson.dumps(encoded), uid)
    async with transaction(world.database, world.command("secret")) as tx:
        await insert_resource(tx, Resource("", "secrets", NS, "pull", uid, 0, {}, body, sealed))


async def test_replicas_share_a_hosts_second(world: ImportWorld) -> None:
    slices = await asyncio.gather(
        *(take_permits(world.database, "quay.io", 3, 10) for _ in range(8))
    )
    # They may fall into more than one second.
    seconds = await world.count("registry_budget WHERE host = 'quay.io'")
    assert 10 <= sum(s.permits for s in slices) <= 10 * seconds
    one, two = (SharedBudget(world.database, 20) for _ in range(2))
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(b.acquire("h", "") for b in (one, two) for _ in range(30)))
    # Sixty permits at twenty a second touch at least three seconds.
    assert asyncio.get_running_loop().time() - started > 1
    assert await world.count("registry_budget WHERE host = 'h'") >= 3
