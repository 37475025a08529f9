"""What the relay reads: facts and jobs in (position, number) order, and a way to wait for more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import asyncpg

from tagstream.errors import Conflict
from tagstream.store.database import Connection, Database, flush, postgres_errors

POLL_S = 2.0
CHANNEL = "tagstream_journal"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message that waits to leave. `data` is compact JSON."""

    position: int
    number: int
    id: str
    type: str
    subject: str
    at: str
    traceparent: str
    data: object


_READ = """
    SELECT position, number, id, type, subject,
           to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, traceparent, data
    FROM {table} WHERE position > $1 AND position <= (
        SELECT coalesce(max(position), $1) FROM (
            SELECT position FROM {table} WHERE position > $1 ORDER BY position, number LIMIT $2
        ) AS page)
    ORDER BY position, number
"""


async def read_outbox(
    database: Database, table: Literal["facts", "jobs"], after: int, limit: int
) -> list[OutboxRow]:
    """Whole positions after `after`, in order: about `limit` rows, never half a transaction. All of
    them are on disk: no event leaves for a change that a crash could take back."""
    async with database.connection() as connection:
        rows = await connection.fetch(_READ.format(table=table), after, limit)
        if rows:
            await flush(connection)
    return [OutboxRow(*row.values()) for row in rows]


_LOAD = "SELECT position FROM relay_cursors WHERE stream = $1"
_SAVE = """
    INSERT INTO relay_cursors (stream, position, epoch) VALUES ($1, $2, $3)
    ON CONFLICT (stream) DO UPDATE SET position = excluded.position, epoch = excluded.epoch
    WHERE relay_cursors.epoch <= excluded.epoch
"""


async def load_cursor(database: Database, stream: str) -> int:
    """The last position known to have been published to `stream`; 0 when none was."""
    async with database.connection() as connection:
        return await connection.fetchval(_LOAD, stream) or 0


async def save_cursor(database: Database, stream: str, position: int, epoch: int) -> None:
    """Remembers a position. Raises Conflict when a newer holder of the relay's lease wrote one."""
    async with database.connection() as connection:
        if await connection.execute(_SAVE, stream, position, epoch) == "INSERT 0 0":
            raise Conflict("a newer relay has taken over")


class JournalSignal:
    """Wakes whoever waits when a table of the journal grows: LISTEN on a connection of its own,
    and a poll every two seconds for what a dropped connection missed."""

    def __init__(self, url: str, table: Literal["changes", "facts", "jobs"] = "changes") -> None:
        self._url = url
        self._table = table
        self._grown = asyncio.Event()
        self._connection: Connection | None = None

    async def wait(self, timeout_s: float = POLL_S) -> bool:
        """Returns after the next append, or after the timeout; True when it was signalled."""
        await self._ensure_listening()
        try:
            async with asyncio.timeout(min(timeout_s, POLL_S)):
                await self._grown.wait()
        except TimeoutError:
            return False
        self._grown.clear()
        return True

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            self._connection.terminate()
        self._connection = None

    async def _ensure_listening(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            return
        try:
            async with postgres_errors():
                self._connection = await asyncpg.connect(
                    self._url,
                    timeout=5,
                    command_timeout=5,
                    server_settings={
                        "application_name": "tagstream-listen",
                        "tcp_keepalives_idle": "10",
                        "tcp_keepalives_interval": "5",
                    },
                )
                await self._connection.add_listener(CHANNEL, self._on_notify)
        except BaseException:
            await self.close()
            raise
        # What was appended while nobody listened must be looked for once.
        self._grown.set()

    def _on_notify(self, connection: object, pid: int, channel: str, payload: object) -> None:
        if self._table in str(payload).split():
            self._grown.set()
