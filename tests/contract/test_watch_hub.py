"""A client that lists and then watches sees every later change once, whole and in order."""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tagstream.api.images.convert import GROUP, RegistryNames, stream_to_wire
from tagstream.api.watch.events import WatchEvent
from tagstream.api.watch.folding import StreamFolder
from tagstream.api.watch.hub import JournalHub
from tagstream.api.wire.status import ApiError
from tagstream.store.database import Database
from tagstream.store.journal import Command, load_head, transaction
from tagstream.store.stream_writes import create_stream, delete_stream, save_stream
from tagstream.store.streams import list_headers, load_stream, load_whole
from tagstream.streams.image_stream import ImageStream, ImportPolicy
from tagstream.streams.imports import ImportedImage, TagImport, decide_import

REGISTRY = "registry.test:5000"
NAMES = RegistryNames(REGISTRY)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WRITERS = 32
MOVES = 20 if os.environ.get("TAGSTREAM_TEST_PROFILE") == "ci" else 5


def command(kind: str = "test") -> Command:
    return Command(str(uuid.uuid4()), kind, NOW, "tester")


def image(number: int) -> ImportedImage:
    digest = f"sha256:{number:064x}"
    return ImportedImage(f"quay.test/app@{digest}", digest)


async def make_stream(database: Database, name: str, tags: int = 1) -> None:
    imports = [
        TagImport(f"t{i}", "quay.test/app:1", ImportPolicy(), "Source", image(i))
        for i in range(tags)
    ]
    blank = ImageStream("demo", name, str(uuid.uuid4()), NOW)
    async with transaction(database, command()) as tx:
        await create_stream(tx, decide_import(blank, imports, NOW, REGISTRY), REGISTRY)


async def move_tag(database: Database, name: str, tag: str, number: int, pause_s: float) -> None:
    async with transaction(database, command()) as tx:
        before = await load_stream(tx.connection, "demo", name, tags=[tag], lock=True)
        assert before is not None
        await asyncio.sleep(pause_s)
        one = TagImport(tag, "quay.test/app:1", ImportPolicy(), "Source", image(number))
        await save_stream(tx, before, decide_import(before, [one], NOW, REGISTRY), REGISTRY)


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[JournalHub]:
    folder = StreamFolder(database, NAMES)
    opened = JournalHub(database, {(GROUP, "imagestreams"): folder.shape})
    running = asyncio.create_task(opened.run())
    yield opened
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def list_streams(database: Database) -> tuple[dict[str, object], int]:
    async with database.snapshot() as connection:
        headers = await list_headers(connection, "demo", ("", ""), 1000)
        streams = await load_whole(connection, headers)
        head = await load_head(connection)
    return {s.name: stream_to_wire(s, NAMES) for s in streams}, head


async def follow(hub: JournalHub, after: int, until: asyncio.Future[int]) -> list[WatchEvent]:
    """Every event after a version, up to the one that `until` names."""
    seen: list[WatchEvent] = []
    subscription = hub.subscribe(GROUP, "imagestreams", namespace="demo", after=after)
    try:
        async for batch in subscription:
            seen += batch
            if until.done() and subscription.position >= until.result():
                return seen
    finally:
        subscription.close()
    raise AssertionError("the watch ended")


@pytest.mark.parametrize("seed", range(2))
async def test_list_then_watch_never_misses_nor_repeats_a_change(
    database: Database, hub: JournalHub, seed: int
) -> None:
    dice = random.Random(seed)
    names = [f"s{i}" for i in range(4)]
    for name in names:
        await make_stream(database, name, tags=3)
    end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def write(writer: int) -> None:
        for step in range(MOVES):
            await asyncio.sleep(dice.random() * 0.01)
            name, tag = dice.choice(names), f"t{dice.randrange(3)}"
            number = 1000 + writer * MOVES + step
            await move_tag(database, name, tag, number, dice.random() * 0.01)

    async def watch() -> tuple[dict[str, object], list[WatchEvent]]:
        await asyncio.sleep(dice.random() * 0.1)
        listed, version = await list_streams(database)
        return listed, await follow(hub, version, end)

    watchers = [asyncio.create_task(watch()) for _ in range(4)]
    await asyncio.gather(*(write(i) for i in range(WRITERS)))
    final, head = await list_streams(database)
    end.set_result(head)
    async with database.connection() as connection:
        await move_tag(database, "s0", "t0", 999_999, 0)
        written = [r[0] for r in await connection.fetch("SELECT position FROM changes")]
    for listed, events in await asyncio.gather(*watchers):
        positions = [event.position for event in events]
        assert positions == sorted(set(positions))
        first = min(positions, default=head)
        assert set(positions) >= {p for p in written if first <= p <= head}
        state = dict(listed)
        for event in events:
            if event.position <= head:
                state[event.object["metadata"]["name"]] = event.object
        assert state == final


async def test_a_late_watcher_gets_each_version_exactly(
    database: Database, hub: JournalHub
) -> None:
    await make_stream(database, "s", tags=2)
    _, start = await list_streams(database)
    versions: list[object] = []
    for number in range(10, 14):
        await move_tag(database, "s", "t0", number, 0)
        versions.append((await list_streams(database))[0]["s"])
    async with transaction(database, command()) as tx:
        stream = await load_stream(tx.connection, "demo", "s", lock=True)
        assert stream is not None
        await delete_stream(tx, stream, REGISTRY)
    gone = stream_to_wire(replace(stream, version=tx.position), NAMES)
    end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    end.set_result(tx.position)
    events = await follow(hub, start, end)
    assert [e.type for e in events] == ["MODIFIED"] * 4 + ["DELETED"]
    assert [e.object for e in events] == [*versions, gone]


async def test_a_version_older_than_the_journal_is_expired(
    database: Database, hub: JournalHub
) -> None:
    await make_stream(database, "s")
    end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(ApiError) as refused:
        await follow(hub, 1, end)
    assert refused.value.code == 410
    assert refused.value.message.startswith("too old resource version: 1 (")


async def test_a_version_from_before_the_window_is_expired_although_its_changes_are_kept(
    database: Database, hub: JournalHub
) -> None:
    await make_stream(database, "early")
    async with database.connection() as connection:
        early = await load_head(connection)
        await connection.execute("UPDATE changes SET at = at - interval '2 hours'")
    await make_stream(database, "s")
    end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(ApiError) as refused:
        await follow(hub, early - 1, end)
    assert refused.value.code == 410
    async with database.connection() as connection:
        end.set_result(await load_head(connection))
    assert [event.type for event in await follow(hub, early, end)] == ["ADDED"]
