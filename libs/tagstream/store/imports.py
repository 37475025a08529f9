"""Imports in Postgres: what was asked, what came of it, and when scheduled tags are due next.

An import is a row from the moment it is ordered until its result is applied, so a lost message
costs time and nothing else: the resync finds the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from tagstream.store.database import Connection, Row
from tagstream.store.journal import Transaction
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.imports import CHECK_ANNOTATION


@dataclass(frozen=True, slots=True)
class ImportRow:
    """An ordered import with what became of it.

    `result` is the JSON form of streams/import_request.py; None until it ran.
    """

    order: OrderedImport
    requested_at: datetime
    result: Mapping[str, object] | None = None
    finished_at: datetime | None = None
    applied_at: datetime | None = None


# Those of an order come first, in the order of its fields.
_ORDER_FIELDS = len(fields(OrderedImport))
_COLUMNS = """id::text, stream::text, namespace, name, host, request, generations, scheduled,
    requested_at, result, finished_at, applied_at"""
_INSERT = """
    INSERT INTO imports (id, stream, namespace, name, host, request, generations, scheduled,
                         requested_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_GET = f"SELECT {_COLUMNS} FROM imports WHERE id = $1"
_OPEN = "SELECT generations FROM imports WHERE stream = $1 AND applied_at IS NULL"
_FINISH = """
    UPDATE imports SET result = $2, finished_at = $3 WHERE id = $1 AND result IS NULL
"""
_APPLIED = "UPDATE imports SET applied_at = $2 WHERE id = $1 AND applied_at IS NULL"
_REORDER = """
    UPDATE imports SET result = NULL, finished_at = NULL, requested_at = $2
    WHERE id = $1 AND applied_at IS NULL
"""
_UNAPPLIED = f"""
    SELECT {_COLUMNS} FROM imports
    WHERE applied_at IS NULL AND (finished_at < $1 OR finished_at IS NULL AND requested_at < $2)
    ORDER BY requested_at LIMIT $3
"""
_FORGET = """
    DELETE FROM imports WHERE id IN (
        SELECT id FROM imports WHERE applied_at < now() - interval '1 day' LIMIT $1)
"""


async def insert_import(tx: Transaction, new: OrderedImport) -> None:
    await tx.connection.execute(
        _INSERT,
        new.id,
        new.stream_uid,
        new.namespace,
        new.stream,
        new.host,
        dict(new.request),
        dict(new.generations),
        new.scheduled,
        tx.command.at,
    )


async def load_import(connection: Connection, import_id: str) -> ImportRow | None:
    """None when the import, or its stream, is gone."""
    row = await connection.fetchrow(_GET, import_id)
    return _from_row(row) if row is not None else None


def _from_row(row: Row) -> ImportRow:
    order, rest = tuple(row.values())[:_ORDER_FIELDS], tuple(row.values())[_ORDER_FIELDS:]
    return ImportRow(OrderedImport(*order), *rest)


async def list_open_imports(connection: Connection) -> list[ImportRow]:
    """Every import that is not applied yet, by id."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM imports WHERE applied_at IS NULL ORDER BY id"
    )
    return [_from_row(row) for row in rows]


async def load_open_generations(connection: Connection, stream_uid: str) -> list[Mapping[str, int]]:
    """The tags and generations of each import of a stream that is ordered, running, or finished
    and not applied."""
    return [row["generations"] for row in await connection.fetch(_OPEN, stream_uid)]


async def finish_import(
    tx: Transaction, import_id: str, result: Mapping[str, object], now: datetime
) -> bool:
    """Stores the first result of an import; False when there was one already, or no such row."""
    status = await tx.connection.execute(_FINISH, import_id, dict(result), now)
    return status == "UPDATE 1"


async def mark_applied(tx: Transaction, import_id: str, now: datetime) -> bool:
    """Ends an import; False when somebody else already had."""
    is_ours = await tx.connection.execute(_APPLIED, import_id, now) == "UPDATE 1"
    if is_ours:
        tx.keep()
    return is_ours


async def reorder_import(tx: Transaction, import_id: str, now: datetime) -> bool:
    """Forgets what an unapplied import found, so that it can run again; False when it is over."""
    return await tx.connection.execute(_REORDER, import_id, now) == "UPDATE 1"


async def list_unapplied(
    connection: Connection, finished_before: datetime, ordered_before: datetime, limit: int
) -> Sequence[ImportRow]:
    """Imports whose message may be lost: finished that long ago and not applied, or ordered that
    long ago and not finished."""
    rows = await connection.fetch(_UNAPPLIED, finished_before, ordered_before, limit)
    return [_from_row(row) for row in rows]


async def forget_imports(connection: Connection, limit: int) -> None:
    """Drops up to `limit` imports that were applied more than a day ago."""
    await connection.execute(_FORGET, limit)


# Tags whose wish is newer than anything tried, and repositories never looked at, that no open
# import covers: their message was lost. An import that names no tag is one of a repository.
_PENDING = f"""
    SELECT s.namespace, s.name FROM streams s WHERE EXISTS (
        SELECT FROM spec_tags t
        LEFT JOIN LATERAL (
            SELECT generation FROM tag_items i
            WHERE i.stream = t.stream AND i.tag = t.tag AND i.retired_by IS NULL
            ORDER BY seq DESC LIMIT 1) i ON true
        LEFT JOIN tag_conditions c ON c.stream = t.stream AND c.tag = t.tag
        WHERE t.stream = s.uid AND t.generation > greatest(i.generation, c.generation, 0)
          AND t.body -> 'from' ->> 'kind' = 'DockerImage'
          AND NOT coalesce((t.body -> 'reference')::boolean, false)
          AND NOT EXISTS (
              SELECT FROM imports o WHERE o.stream = s.uid AND o.applied_at IS NULL
              AND (o.generations -> t.tag)::bigint = t.generation))
    OR s.repository <> ''
      AND NOT coalesce(s.metadata -> 'annotations' ? '{CHECK_ANNOTATION}', false)
      AND NOT EXISTS (
          SELECT FROM imports o
          WHERE o.stream = s.uid AND o.applied_at IS NULL AND o.generations = '{{}}')
    ORDER BY s.namespace, s.name LIMIT $1
"""


async def list_pending_streams(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Streams that need an import nobody has ordered."""
    return [(row[0], row[1]) for row in await connection.fetch(_PENDING, limit)]


# Also tags without a generation, which are imported when others of their stream are.
_PENDING_TAGS = """
    SELECT t.tag FROM spec_tags t
    LEFT JOIN LATERAL (
        SELECT generation FROM tag_items i
        WHERE i.stream = t.stream AND i.tag = t.tag AND i.retired_by IS NULL
        ORDER BY seq DESC LIMIT 1) i ON true
    LEFT JOIN tag_conditions c ON c.stream = t.stream AND c.tag = t.tag
    WHERE t.stream = $1
      AND (t.generation IS NULL OR t.generation > greatest(i.generation, c.generation, 0))
      AND t.body -> 'from' ->> 'kind' = 'DockerImage'
      AND NOT coalesce((t.body -> 'reference')::boolean, false)
"""
_SCHEDULED_TAGS = "SELECT tag FROM spec_tags WHERE stream = $1 AND scheduled"


async def list_pending_tags(connection: Connection, stream_uid: str) -> list[str]:
    """The tags of a stream that may need an import now, whether or not one is under way."""
    return [row["tag"] for row in await connection.fetch(_PENDING_TAGS, stream_uid)]


async def list_scheduled_tags(connection: Connection, stream_uid: str) -> list[str]:
    """The tags of a stream that its schedule looks at."""
    return [row["tag"] for row in await connection.fetch(_SCHEDULED_TAGS, stream_uid)]


# A stream is scheduled while one of its tags is; the row comes and goes with that.
_SCHEDULE_NEW = """
    INSERT INTO import_schedule (stream, due_at)
    SELECT DISTINCT stream, $1::timestamptz + ($2::interval * spread_share(stream))
    FROM spec_tags WHERE scheduled
      AND NOT EXISTS (SELECT FROM import_schedule i WHERE i.stream = spec_tags.stream)
"""
_UNSCHEDULE = """
    DELETE FROM import_schedule i
    WHERE NOT EXISTS (SELECT FROM spec_tags t WHERE t.stream = i.stream AND t.scheduled)
"""
_CLAIM_DUE = """
    UPDATE import_schedule SET due_at = $1::timestamptz + $2::interval
    WHERE stream IN (
        SELECT stream FROM import_schedule WHERE due_at <= $1
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING (SELECT namespace FROM streams WHERE uid = import_schedule.stream) AS namespace,
              (SELECT name FROM streams WHERE uid = import_schedule.stream) AS name
"""


async def refresh_schedule(connection: Connection, now: datetime, period: timedelta) -> None:
    """Adds streams that became scheduled, first due within one period, spread by their uid so
    that a thousand new ones do not come at once; drops those that no longer are."""
    await connection.execute(_UNSCHEDULE)
    await connection.execute(_SCHEDULE_NEW, now, period)


async def claim_due(
    connection: Connection, now: datetime, period: timedelta, limit: int
) -> list[tuple[str, str]]:
    """Takes up to `limit` due streams (namespace, name) and makes each due again a period later."""
    rows = await connection.fetch(_CLAIM_DUE, now, period, limit)
    return [(row["namespace"], row["name"]) for row in rows]
