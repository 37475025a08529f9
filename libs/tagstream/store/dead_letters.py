"""Messages that could not be handled, kept with their error until a person puts them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from tagstream.errors import InvalidInput, NotFound
from tagstream.events.subjects import JOBS_PREFIX, redrive_subject
from tagstream.store.database import Database
from tagstream.store.journal import Command, Requeued, transaction
from tagstream.telemetry import metrics, names
from tagstream.telemetry.tracing import current_trace_id


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was given up. `requeued_at` is set once it was put back."""

    id: int
    consumer: str
    subject: str
    headers: Mapping[str, str]
    data: bytes
    error: str
    attempts: int
    trace_id: str
    created_at: datetime
    requeued_at: datetime | None


_COLUMNS = """id, consumer, subject, headers, data, error, attempts, trace_id, created_at,
    requeued_at"""
_PUT = """
    INSERT INTO dead_letters (consumer, subject, headers, data, error, attempts, trace_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
"""
_LIST = f"""
    SELECT {_COLUMNS} FROM dead_letters WHERE requeued_at IS NULL OR $1
    ORDER BY id DESC LIMIT $2
"""
_GET = f"SELECT {_COLUMNS} FROM dead_letters WHERE id = $1"
_REQUEUED = "UPDATE dead_letters SET requeued_at = clock_timestamp() WHERE id = $1"


async def put_dead_letter(
    database: Database,
    *,
    consumer: str,
    subject: str,
    headers: Mapping[str, str],
    data: bytes,
    error: str,
    attempts: int,
    trace_id: str,
) -> int:
    async with database.connection() as connection:
        row_id: int = await connection.fetchval(
            _PUT, consumer, subject, dict(headers), data, error[:4000], attempts, trace_id
        )
    return row_id


async def list_dead_letters(
    database: Database, *, include_requeued: bool = False, limit: int = 100
) -> list[DeadLetter]:
    """Newest first."""
    async with database.connection() as connection:
        rows = await connection.fetch(_LIST, include_requeued, limit)
    return [DeadLetter(*row.values()) for row in rows]


async def load_dead_letter(database: Database, letter_id: int) -> DeadLetter:
    """Raises NotFound when there is none with this id."""
    async with database.connection() as connection:
        row = await connection.fetchrow(_GET, letter_id)
    if row is None:
        raise NotFound(f"there is no dead letter {letter_id}; `dead-letters list` shows them")
    return DeadLetter(*row.values())


async def requeue_dead_letter(database: Database, letter: DeadLetter, command: Command) -> str:
    """Puts a message back for the consumer that gave it up, and for no other; the subject it gets.

    It leaves through the journal and the relay like every job. Raises InvalidInput for a message
    that never was an event of ours: it would fail again.
    """
    event_type = letter.headers.get("ce-type", "")
    try:
        data = orjson.loads(letter.data)
    except orjson.JSONDecodeError:
        data = None
    if not event_type or not isinstance(data, dict):
        raise InvalidInput(f"dead letter {letter.id}", "is no event of ours and cannot be put back")
    subject = letter.subject
    if not subject.startswith(f"{JOBS_PREFIX}."):
        subject = redrive_subject(letter.consumer)
    async with transaction(database, command) as tx:
        tx.requeue(Requeued(event_type, subject, data))
        await tx.connection.execute(_REQUEUED, letter.id)
    return subject


class Undeliverable(Protocol):
    """What is kept of a message; the bus's own kind fits."""

    @property
    def subject(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def data(self) -> bytes: ...


class DeadLetterTable:
    """Where a consumer puts what it cannot handle."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, consumer: str, message: Undeliverable, error: str, attempts: int) -> None:
        """Keeps the message and counts it. A second call makes a second row, which is harmless."""
        await put_dead_letter(
            self._database,
            consumer=consumer,
            subject=message.subject,
            headers=message.headers,
            data=message.data,
            error=error,
            attempts=attempts,
            trace_id=current_trace_id(),
        )
        metrics.add(names.DEAD_LETTERS, consumer=consumer)
