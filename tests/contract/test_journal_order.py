"""One order, gapless, the same for everybody (docs/adr/0002-journal.md), under many writers.

A client that lists in a snapshot and then reads every change after the head of that snapshot sees
each later change once, in order, and ends with exactly what is stored. A reader of the outbox gets
every fact, in commit order, although transactions end in another order than they began.

`TAGSTREAM_TEST_PROFILE` sets the scale: `small` (the default) or `ci`.
"""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from fakes.streams import alias, event, image_stream, registry_tag
from tagstream.errors import Conflict
from tagstream.store.database import Connection, Database
from tagstream.store.journal import (
    Change,
    Command,
    Transaction,
    load_head,
    read_changes,
    transaction,
)
from tagstream.store.outbox import JournalSignal, OutboxRow, read_outbox
from tagstream.store.resources import (
    Resource,
    delete_resource,
    insert_resource,
    list_resources,
    load_resource,
    update_resource,
)
from tagstream.store.stream_writes import RESOURCE, create_stream, delete_stream, save_stream
from tagstream.store.streams import list_headers, load_stream, load_whole
from tagstream.streams.delta import apply
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import delta_from_json
from tagstream.streams.status_write import decide_mapping


@dataclass(frozen=True, slots=True)
class Scale:
    writers: int
    writes_each: int
    streams: int
    watchers: int


SCALES = {"small": Scale(32, 12, 6, 4), "ci": Scale(32, 80, 12, 8)}
SCALE = SCALES[os.environ.get("TAGSTREAM_TEST_PROFILE", "small")]
LONGEST_PAUSE_S = 0.01
PAGE = 7

Key = tuple[str, str]
State = dict[Key, object]


def command(kind: str) -> Command:
    return Command(str(uuid.uuid4()), kind, datetime.now(UTC), "jane")


class Writer:
    """Writes streams and other objects at random, pausing inside its transactions."""

    def __init__(self, database: Database, seed: int) -> None:
        self._database = database
        self._random = random.Random(seed)
        self.positions: list[int] = []

    async def run(self) -> None:
        for number in range(SCALE.writes_each):
            write = self._random.choices(
                [self._push, self._replace_object, self._make_or_delete], [6, 2, 1]
            )[0]
            try:
                async with transaction(self._database, command(f"write {number}")) as tx:
                    await write(tx, number)
                    await self._pause()
            except Conflict:
                continue
            if tx.position:
                self.positions.append(tx.position)

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.random() * LONGEST_PAUSE_S)

    def _name(self) -> str:
        return f"s{self._random.randrange(SCALE.streams)}"

    async def _push(self, tx: Transaction, number: int) -> None:
        tag = self._random.choice("abc")
        before = await load_stream(tx.connection, "demo", self._name(), tags=[tag], lock=True)
        await self._pause()
        if before is None:
            return
        image = event(f"{id(self)} {number}", before.generation, created=tx.command.at)
        pushed = decide_mapping(before, tag, replace(image, created=_second(image.created)))
        await save_stream(tx, before, pushed, "")

    async def _replace_object(self, tx: Transaction, number: int) -> None:
        name = self._name()
        before = await load_resource(tx.connection, "apps", "things", "demo", name, lock=True)
        await self._pause()
        body = {"writer": id(self), "number": number}
        if before is None:
            new = Resource("apps", "things", "demo", name, str(uuid.uuid4()), 0, {}, body)
            await insert_resource(tx, new)
        elif self._random.random() < 0.2:
            await delete_resource(tx, before)
        else:
            await update_resource(tx, replace(before, body=body))

    async def _make_or_delete(self, tx: Transaction, number: int) -> None:
        name = self._name()
        before = await load_stream(tx.connection, "demo", name, lock=True)
        await self._pause()
        if before is None:
            await create_stream(tx, _new_stream(name), "")
        else:
            await delete_stream(tx, before, "")


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _new_stream(name: str) -> ImageStream:
    tags = [registry_tag("a"), alias("b", "a")]
    return image_stream(tags, name=name, uid=str(uuid.uuid4()))


@dataclass
class Watcher:
    """Lists once and then only follows."""

    database: Database
    state: State = field(default_factory=dict)
    listed_at: int = 0
    seen: list[int] = field(default_factory=list)

    @property
    def at(self) -> int:
        return self.seen[-1] if self.seen else self.listed_at

    async def list(self) -> None:
        async with self.database.snapshot() as connection:
            headers = await list_headers(connection, "", ("", ""), 1000)
            await asyncio.sleep(LONGEST_PAUSE_S)
            self.state = await _stored(connection, headers)
            self.listed_at = await load_head(connection)

    async def follow(self) -> None:
        """One page of changes."""
        async with self.database.connection() as connection:
            changes = await read_changes(connection, self.at, PAGE)
        for one in changes:
            self.seen.append(one.position)
            change = one.change
            key = (change.resource, change.name)
            if change.type == "DELETED":
                del self.state[key]
            elif change.resource == RESOURCE:
                self.state[key] = self._folded(key, one.position, change)
            else:
                assert change.previous == self._version(key, change.type)
                self.state[key] = (change.uid, one.position, change.body)

    def _version(self, key: Key, kind: str) -> int:
        if kind == "ADDED":
            assert key not in self.state
            return 0
        known = self.state[key]
        assert isinstance(known, tuple)
        return int(known[1])

    def _folded(self, key: Key, position: int, change: Change) -> ImageStream:
        delta = delta_from_json(change.delta or {})
        if change.type == "ADDED":
            assert key not in self.state
            base = image_stream(name=key[1], uid=change.uid, generation=0)
        else:
            known = self.state[key]
            assert isinstance(known, ImageStream)
            assert known.version == change.previous
            base = known
        return replace(apply(base, delta), version=position)


async def _stored(connection: Connection, headers: list[ImageStream]) -> State:
    state: State = {(RESOURCE, s.name): s for s in await load_whole(connection, headers)}
    for one in await list_resources(connection, "apps", "things"):
        state["things", one.name] = (one.uid, one.version, one.body)
    return state


async def stored(database: Database) -> tuple[State, int]:
    async with database.snapshot() as connection:
        headers = await list_headers(connection, "", ("", ""), 1000)
        return await _stored(connection, headers), await load_head(connection)


async def all_facts(database: Database, limit: int, done: asyncio.Event) -> list[OutboxRow]:
    """What a relay reads while others write, page by page, until nothing is left."""
    rows: list[OutboxRow] = []
    while True:
        was_done = done.is_set()
        page = await read_outbox(database, "facts", rows[-1].position if rows else 0, limit)
        rows += page
        if was_done and not page:
            return rows
        await asyncio.sleep(0.002)


@asynccontextmanager
async def written(database: Database) -> AsyncIterator[tuple[list[Writer], asyncio.Event]]:
    """Writers that run during the block; the event is set when the last one has ended."""
    for number in range(SCALE.streams):
        async with transaction(database, command("start")) as tx:
            await create_stream(tx, _new_stream(f"s{number}"), "")
    writers = [Writer(database, seed) for seed in range(SCALE.writers)]
    done = asyncio.Event()

    async def run() -> None:
        try:
            await asyncio.gather(*(writer.run() for writer in writers))
        finally:
            done.set()

    running = asyncio.create_task(run())
    yield writers, done
    await running


async def watched(database: Database, delay_s: float, done: asyncio.Event) -> Watcher:
    await asyncio.sleep(delay_s)
    watcher = Watcher(database)
    await watcher.list()
    while not done.is_set():
        await watcher.follow()
        await asyncio.sleep(0.001)
    _, head = await stored(database)
    while watcher.at < head:
        await watcher.follow()
    return watcher


async def test_whoever_lists_and_follows_misses_and_repeats_nothing(database: Database) -> None:
    async with written(database) as (writers, done):
        watchers = await asyncio.gather(
            *(watched(database, number * 0.05, done) for number in range(SCALE.watchers))
        )
    final, head = await stored(database)
    positions = [p for writer in writers for p in writer.positions]
    assert len(set(positions)) == len(positions)
    assert max(positions) == head
    for watcher in watchers:
        assert watcher.seen == list(range(watcher.listed_at + 1, head + 1))
        assert watcher.state == final
    assert len(watchers[0].seen) > SCALE.writers


async def test_the_versions_of_rows_are_positions_of_their_last_change(database: Database) -> None:
    async with written(database):
        pass
    final, _ = await stored(database)
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT resource, name, max(position) AS position FROM changes GROUP BY 1, 2"
        )
    last = {(row["resource"], row["name"]): row["position"] for row in rows}
    for key, value in final.items():
        version = value.version if isinstance(value, ImageStream) else value[1]  # type: ignore[index]
        assert version == last[key]


@pytest.mark.parametrize("limit", [1, 5, 1000])
async def test_facts_leave_in_commit_order_and_none_is_missing(
    database: Database, limit: int
) -> None:
    async with written(database) as (_, done):
        read = await all_facts(database, limit, done)
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT position, number, id FROM facts ORDER BY 1, 2")
        commands = await connection.fetch(
            "SELECT f.id FROM facts f JOIN commands c USING (position) ORDER BY f.position, number"
        )
    assert [(r.position, r.number, r.id) for r in read] == [tuple(row) for row in rows]
    assert [r.id for r in read] == [row["id"] for row in commands], "each fact has its command"
    assert len(read) > SCALE.writers


async def test_a_page_of_the_outbox_never_ends_inside_a_transaction(database: Database) -> None:
    tags = [registry_tag("a"), *(alias(f"f{n}", "a") for n in range(9))]
    async with transaction(database, command("start")) as tx:
        await create_stream(tx, image_stream(tags), "")
    async with transaction(database, command("push")) as tx:
        before = await load_stream(tx.connection, "demo", "py", lock=True)
        assert before is not None
        await save_stream(tx, before, decide_mapping(before, "a", event("one", 1)), "")
    (first,) = await read_outbox(database, "facts", 0, 1)
    page = await read_outbox(database, "facts", first.position, 3)
    assert [(r.position, r.number) for r in page] == [(tx.position, n) for n in range(1, 11)]


async def test_who_waits_for_one_table_is_not_woken_by_another(
    database: Database, database_url: str
) -> None:
    jobs = JournalSignal(database_url, "jobs")
    try:
        assert await jobs.wait(5), "the first wait always looks once"
        async with transaction(database, command("start")) as tx:
            await create_stream(tx, image_stream(), "")
        assert not await jobs.wait(0.2)
    finally:
        await jobs.close()


async def woken(signal: JournalSignal) -> None:
    """Returns when a wait ended for another reason than that its time was over."""
    while not await signal.wait(5):
        pass


async def test_who_waits_is_woken_by_an_append(database: Database, database_url: str) -> None:
    signal = JournalSignal(database_url)
    try:
        assert await signal.wait(5), "the first wait always looks once"
        assert not await signal.wait(0.05)
        waiting = asyncio.create_task(woken(signal))
        await asyncio.sleep(0.1)
        async with transaction(database, command("start")) as tx:
            await create_stream(tx, image_stream(), "")
        await asyncio.wait_for(waiting, 20)
        async with database.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'tagstream-listen'"
            )
        # A new connection looks once too.
        await asyncio.wait_for(woken(signal), 20)
    finally:
        await signal.close()
