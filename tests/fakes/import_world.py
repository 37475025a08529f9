"""A database, a bus and a registry with both import services between them, for tests.

The services' parts run in the test's own loop: a step at a time (`ordered_jobs`, `finished_facts`)
or all together on the bus (`flowing`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from nats.aio.client import Client

from fakes.bus_world import running
from fakes.importing import QUICK
from fakes.nats_server import NatsServer
from fakes.registry import FakeRegistry
from tagstream.bus.connection import connect
from tagstream.bus.topology import ensure_streams
from tagstream.events.envelope import CloudEvent, from_message
from tagstream.importer.app import build_consumer
from tagstream.importer.deps import Deps as ImporterDeps
from tagstream.importer.fetch import FetchDeps
from tagstream.importer.handlers import on_import_ordered
from tagstream.registry.tls import build_tls_contexts
from tagstream.registry.transport import Transport, build_session
from tagstream.store.database import Database
from tagstream.store.journal import Command, transaction
from tagstream.store.leases import Lease
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import (
    ImageStream,
    ImportPolicy,
    StreamMetadata,
    TagReference,
    TagSource,
)
from tagstream.streams.import_orders import INSECURE_REPOSITORY
from tagstream.streams.spec_write import decide_create, decide_update
from tagstream.streams.tags import with_tag, without_tag
from tagstream.tag_tracker.app import build_consumers
from tagstream.tag_tracker.deps import Deps as TrackerDeps
from tagstream.tag_tracker.handlers import on_import_finished, on_import_requested
from tagstream.tag_tracker.relaying import JournalOutbox, run_relay
from tagstream.tag_tracker.settings import Settings

NS = "shop"


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class ImportWorld:
    database: Database
    registry: FakeRegistry
    tracker: TrackerDeps
    importer: ImporterDeps
    clock: Clock
    _seen: dict[str, int] = field(default_factory=dict)

    async def create(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        scheduled: bool = False,
        repository: str = "",
    ) -> ImageStream:
        """A stream as the api would make it; `tags` maps to pull specs."""
        refs = {tag: _reference(tag, source, scheduled) for tag, source in tags.items()}
        blank = ImageStream(
            NS,
            name,
            str(uuid.uuid4()),
            self.clock(),
            spec_tags=refs,
            docker_image_repository=repository,
            metadata=StreamMetadata(annotations={INSECURE_REPOSITORY: "true"}),
        )
        stream = decide_create(blank, {}, self.clock(), "")
        async with transaction(self.database, self.command("create")) as tx:
            await create_stream(tx, stream, "")
        return stream

    async def set_tag(self, name: str, tag: str, source: str | None) -> None:
        """`oc tag`, or `oc delete istag` without a source."""
        async with transaction(self.database, self.command("tag")) as tx:
            before = await load_stream(tx.connection, NS, name, lock=True)
            assert before is not None
            if source is None:
                wanted = without_tag(before, tag)
                assert wanted is not None
            else:
                wanted = with_tag(before, replace(_reference(tag, source), generation=0))
            after = decide_update(before, wanted, {}, self.clock(), "")
            await save_stream(tx, before, after, "")

    def command(self, kind: str) -> Command:
        return Command(str(uuid.uuid4()), kind, self.clock(), "tester")

    async def load(self, name: str) -> ImageStream:
        async with self.database.snapshot() as connection:
            stream = await load_stream(connection, NS, name)
        assert stream is not None
        return stream

    async def count(self, what: str) -> int:
        """Rows of `what`, a table with perhaps a WHERE."""
        async with self.database.connection() as connection:
            number: int = await connection.fetchval(f"SELECT count(*) FROM {what}")
        return number

    async def new_messages(self, table: str) -> list[CloudEvent]:
        """What was committed to `facts` or `jobs` since the last call."""
        outbox = JournalOutbox(self.database, table)  # type: ignore[arg-type]
        messages = await outbox.read(self._seen.get(table, 0), 10_000)
        if messages:
            self._seen[table] = messages[-1].position
        return [from_message(message.headers, message.data) for message in messages]

    async def order(self) -> list[str]:
        """Hand what facts there are to the tag-tracker, as wishes; the outcomes."""
        return [
            await on_import_requested(event, self.tracker)
            for event in await self.new_messages("facts")
            if ".import.requested." in event.type
        ]

    async def fetch(self) -> list[str]:
        """Hand what jobs there are to the importer; the outcomes."""
        return [
            await on_import_ordered(event, self.importer)
            for event in await self.new_messages("jobs")
        ]

    async def apply(self) -> list[str]:
        """Hand what results there are to the tag-tracker; the outcomes."""
        return [
            await on_import_finished(event, self.tracker)
            for event in await self.new_messages("facts")
            if ".import.completed." in event.type or ".import.failed." in event.type
        ]

    @asynccontextmanager
    async def flowing(self, server: NatsServer) -> AsyncIterator[Client]:
        """Both services at work over the bus, the relay included."""
        nats = await connect(server.url, name="test", on_closed=lambda: None, timeout_s=5)
        await ensure_streams(nats.jetstream())
        settings = Settings(postgres_url="x", nats_url=server.url)
        lease = Lease(self.database, "relay")

        async def relay(stop: asyncio.Event) -> None:
            await lease.hold(stop, lambda: run_relay(nats, self.database, lease, stop))

        consumers = build_consumers(nats, self.tracker, settings).values()
        importer = build_consumer(nats, self.importer)
        try:
            async with running(relay, importer.run, *(c.run for c in consumers)):
                yield nats
        finally:
            await nats.close()


def _reference(tag: str, source: str, scheduled: bool = False) -> TagReference:
    policy = ImportPolicy(insecure=True, scheduled=scheduled)
    return TagReference(tag, TagSource("DockerImage", source), import_policy=policy)


@asynccontextmanager
async def import_world(url: str) -> AsyncIterator[ImportWorld]:
    database = await Database.connect(url, name="test", size=16)
    clock = Clock()
    try:
        async with FakeRegistry() as registry, build_session() as session:
            fetching = FetchDeps(Transport(session, build_tls_contexts(), QUICK))
            yield ImportWorld(
                database,
                registry,
                TrackerDeps(database, clock=clock),
                ImporterDeps(database, fetching, clock=clock),
                clock,
            )
    finally:
        await database.close()
