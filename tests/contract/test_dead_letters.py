"""A message that was given up comes back to its own consumer, and to nobody else."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from fakes.nats_server import NatsServer
from tagstream.bus.connection import connect
from tagstream.bus.event_handler import build_handler
from tagstream.bus.outcomes import Outcome
from tagstream.bus.redrive import build_redrive
from tagstream.bus.relay import Relay
from tagstream.bus.topology import JOBS_STREAM, ensure_streams
from tagstream.errors import InvalidInput, NotFound
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import TagChanged
from tagstream.events.subjects import redrive_subject
from tagstream.store.database import Database
from tagstream.store.dead_letters import (
    DeadLetterTable,
    list_dead_letters,
    load_dead_letter,
    put_dead_letter,
    requeue_dead_letter,
)
from tagstream.store.journal import Command
from tagstream.store.leases import Lease
from tagstream.tag_tracker.relaying import JournalOutbox, LeasedCursor

DURABLE = "tester-tag-changed"


def command() -> Command:
    return Command(str(uuid.uuid4()), "dead-letter.retry", datetime.now(UTC), "tester")


async def put(database: Database, data: bytes, **headers: str) -> int:
    return await put_dead_letter(
        database,
        consumer=DURABLE,
        subject="tagstream.events.demo.tag.changed.app.prod",
        headers=headers,
        data=data,
        error="ValueError: it broke",
        attempts=8,
        trace_id="0",
    )


async def test_a_requeued_letter_reaches_its_consumer_through_the_relay(
    database: Database, nats_server: NatsServer
) -> None:
    data = b'{"namespace":"demo","tag":"prod"}'
    letter_id = await put(database, data, **{"ce-type": TagChanged.TYPE})
    letter = await load_dead_letter(database, letter_id)
    subject = await requeue_dead_letter(database, letter, command())
    assert subject == redrive_subject(DURABLE)
    assert (await load_dead_letter(database, letter_id)).requeued_at is not None
    assert await list_dead_letters(database) == []

    nats = await connect(nats_server.url, name="test", on_closed=lambda: None)
    await ensure_streams(nats.jetstream())
    stop, heard = asyncio.Event(), asyncio.Queue[CloudEvent]()

    async def on_event(event: CloudEvent) -> Outcome:
        heard.put_nowait(event)
        return Outcome.APPLIED

    lease = Lease(database, "relay")
    assert await lease.take()
    outbox = JournalOutbox(database, "jobs")
    relay = Relay(
        nats,
        JOBS_STREAM,
        outbox,
        lease.check,
        cursor=LeasedCursor(database, JOBS_STREAM, lease),
        work_queue=True,
    )
    consumer = build_redrive(
        nats,
        DURABLE,
        subject,
        build_handler(DURABLE, on_event),
        dead_letters=DeadLetterTable(database),
        ensure=lambda: ensure_streams(nats.jetstream()),
    )
    running = [asyncio.create_task(relay.run(stop)), asyncio.create_task(consumer.run(stop))]
    try:
        async with asyncio.timeout(10):
            event = await heard.get()
    finally:
        stop.set()
        await asyncio.gather(*running)
        await outbox.close()
        await nats.close()
    assert event.type == TagChanged.TYPE
    assert event.data_object() == {"namespace": "demo", "tag": "prod"}


async def test_what_never_was_an_event_cannot_be_put_back(database: Database) -> None:
    letter = await load_dead_letter(database, await put(database, b"\xff"))
    with pytest.raises(InvalidInput, match="cannot be put back"):
        await requeue_dead_letter(database, letter, command())
    assert [one.id for one in await list_dead_letters(database)] == [letter.id]


async def test_an_unknown_letter_is_said_to_be_unknown(database: Database) -> None:
    with pytest.raises(NotFound, match="no dead letter 4711"):
        await load_dead_letter(database, 4711)
