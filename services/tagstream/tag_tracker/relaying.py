"""The relay's two ends: what the store committed, as the bus publishes it.

Owns the adapters and their wiring; the loop is bus/relay.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, cast

from nats.aio.client import Client

from tagstream.bus.outbox import OutboxMessage
from tagstream.bus.relay import Relay
from tagstream.bus.topology import ensure_streams
from tagstream.errors import Conflict
from tagstream.events.envelope import to_headers
from tagstream.events.outgoing import build_event
from tagstream.events.subjects import EVENTS_STREAM, JOBS_STREAM
from tagstream.store.database import Database
from tagstream.store.leases import Lease
from tagstream.store.outbox import (
    JournalSignal,
    OutboxRow,
    load_cursor,
    read_outbox,
    save_cursor,
)
from tagstream.telemetry import metrics, names


class JournalOutbox:
    """`bus.outbox.Outbox` over one of the journal's tables, with a LISTEN of its own."""

    def __init__(self, database: Database, table: Literal["facts", "jobs"]) -> None:
        self._database = database
        self._table = table
        self._signal = JournalSignal(database.url, table)

    async def read(self, after: int, limit: int) -> list[OutboxMessage]:
        """Whole positions after `after`, ready to be published."""
        rows = await read_outbox(self._database, self._table, after, limit)
        return [build_message(row) for row in rows]

    async def wait(self, timeout_s: float) -> None:
        """Return when the table has grown, or after the timeout."""
        await self._signal.wait(timeout_s)

    async def close(self) -> None:
        await self._signal.close()


def build_message(row: OutboxRow) -> OutboxMessage:
    """A row as a CloudEvent in binary mode."""
    event = build_event(
        row.id,
        row.type,
        cast("Mapping[str, object]", row.data),
        time=datetime.fromisoformat(row.at),
        traceparent=row.traceparent,
    )
    return OutboxMessage(
        row.position, row.number, row.subject, row.id, to_headers(event), event.data
    )


class LeasedCursor:
    """`bus.outbox.Cursor` of a stream, written under the lease's epoch."""

    def __init__(self, database: Database, stream: str, lease: Lease) -> None:
        self._database = database
        self._stream = stream
        self._lease = lease

    async def load(self) -> int:
        """The last position known to be published."""
        return await load_cursor(self._database, self._stream)

    async def save(self, position: int) -> bool:
        """False when a newer holder has written one."""
        try:
            await save_cursor(self._database, self._stream, position, self._lease.epoch)
        except Conflict:
            return False
        return True


async def run_relay(
    nats: Client, database: Database, lease: Lease, stop: asyncio.Event, replicas: int = 1
) -> None:
    """Publish facts and jobs while the lease is held, until `stop`."""
    outboxes = JournalOutbox(database, "facts"), JournalOutbox(database, "jobs")

    def build(stream: str, outbox: JournalOutbox) -> Relay:
        return Relay(
            nats,
            stream,
            outbox,
            lease.check,
            cursor=LeasedCursor(database, stream, lease),
            work_queue=stream == JOBS_STREAM,
            ensure=lambda: ensure_streams(nats.jetstream(), replicas),
            on_published=lambda count: metrics.add(names.RELAY_PUBLISHED, count, stream=stream),
        )

    await ensure_streams(nats.jetstream(), replicas)
    try:
        async with asyncio.TaskGroup() as group:
            for stream, outbox in zip((EVENTS_STREAM, JOBS_STREAM), outboxes, strict=True):
                group.create_task(build(stream, outbox).run(stop))
    finally:
        for outbox in outboxes:
            await outbox.close()
