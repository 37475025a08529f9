"""Writing image streams through the store, and reading them and their facts back."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from tagstream.store.database import Database
from tagstream.store.journal import Command, transaction
from tagstream.store.outbox import OutboxRow, read_outbox
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import (
    load_stream,
)
from tagstream.streams.image_stream import ImageStream

names = (f"s{number}" for number in itertools.count())


def command(kind: str = "test") -> Command:
    return Command(str(uuid.uuid4()), kind, datetime.now(UTC), "jane", "oc tag", {"k": "v"})


def renamed(stream: ImageStream) -> ImageStream:
    """The stream under a name and a uid that no other test has."""
    return replace(stream, name=next(names), uid=str(uuid.uuid4()))


async def create(database: Database, stream: ImageStream, registry: str = "") -> ImageStream:
    async with transaction(database, command("create")) as tx:
        change = await create_stream(tx, stream, registry)
    return replace(stream, version=tx.version_of(change))


async def save(
    database: Database, before: ImageStream, after: ImageStream, registry: str = ""
) -> ImageStream:
    async with transaction(database, command("save")) as tx:
        change = await save_stream(tx, before, after, registry)
    return after if change is None else replace(after, version=tx.version_of(change))


async def load(database: Database, stream: ImageStream) -> ImageStream | None:
    async with database.snapshot() as connection:
        return await load_stream(connection, stream.namespace, stream.name)


async def facts(database: Database) -> list[OutboxRow]:
    return await read_outbox(database, "facts", 0, 100_000)
