"""A recorded log and nothing else gives the same streams, byte for byte.

The log is written down as text first and read back: what replays is what is in the file, not what
the process still remembers. Recordings of whole services come with a later issue.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import datetime

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.postgres import PostgresServer
from fakes.stream_strategies import Write, writes
from fakes.streams import at, image_stream
from tagstream.api.images.convert import RegistryNames, stream_to_wire
from tagstream.store.database import Database
from tagstream.store.journal import Command, load_head, read_changes, transaction
from tagstream.store.stream_writes import create_stream, delete_stream, save_stream
from tagstream.store.streams import list_headers, load_stream, load_whole
from tagstream.streams.delta import apply
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import delta_from_json, parse_time

NAMES = RegistryNames()

# A write to one of three streams, or its deletion.
steps = st.tuples(st.sampled_from("abc"), st.one_of(writes, writes, writes, st.none()))


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


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=20))
def test_the_log_alone_gives_the_same_bytes(
    shared: Database, runner: asyncio.Runner, sequence: list[tuple[str, Write | None]]
) -> None:
    runner.run(_check(shared, sequence))


async def _check(database: Database, sequence: list[tuple[str, Write | None]]) -> None:
    namespace = f"replay-{uuid.uuid4()}"
    async with database.connection() as connection:
        start = await load_head(connection)
    for second, (name, write) in enumerate(sequence):
        await _run(database, namespace, name, write, at(second))
    log = await _record(database, start)
    live = await _live(database, namespace)
    assert _encoded(_replay(log)) == live
    assert _encoded(_replay([line for line in log for _ in range(2)])) == live


async def _run(
    database: Database, namespace: str, name: str, write: Write | None, now: datetime
) -> None:
    async with transaction(database, Command(str(uuid.uuid4()), "test", now, "jane")) as tx:
        stream = await load_stream(tx.connection, namespace, name, lock=True)
        if stream is None:
            fresh = replace(image_stream(), namespace=namespace, name=name, uid=str(uuid.uuid4()))
            await create_stream(tx, fresh if write is None else write.apply(fresh, now), "")
        elif write is None:
            await delete_stream(tx, stream, "")
        else:
            await save_stream(tx, stream, write.apply(stream, now), "")


async def _record(database: Database, start: int) -> list[bytes]:
    async with database.snapshot() as connection:
        changes = await read_changes(connection, start, 10_000)
    return [orjson.dumps(asdict(change)) for change in changes]


def _replay(log: Iterable[bytes]) -> dict[str, ImageStream]:
    """The streams by uid. A line that was seen before changes nothing."""
    streams: dict[str, ImageStream] = {}
    position = 0
    for line in map(orjson.loads, log):
        if line["position"] <= position:
            continue
        position, change = line["position"], line["change"]
        if change["type"] == "DELETED":
            del streams[change["uid"]]
            continue
        before = streams.get(change["uid"]) or ImageStream(
            change["namespace"],
            change["name"],
            change["uid"],
            parse_time(change["delta"]["created"]),
        )
        assert before.version == change["previous"]
        after = apply(before, delta_from_json(change["delta"]))
        streams[change["uid"]] = replace(after, version=position)
    return streams


async def _live(database: Database, namespace: str) -> list[bytes]:
    async with database.snapshot() as connection:
        headers = await list_headers(connection, namespace, ("", ""), 10)
        return _encoded({s.uid: s for s in await load_whole(connection, headers)})


def _encoded(streams: dict[str, ImageStream]) -> list[bytes]:
    ordered = sorted(streams.values(), key=lambda stream: stream.name)
    return [orjson.dumps(stream_to_wire(stream, NAMES)) for stream in ordered]
