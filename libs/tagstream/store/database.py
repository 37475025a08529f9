"""The connection pool, and how Postgres' own errors become ours.

Owns the settings every connection needs; owns no query. A pooler in front must be transparent
(a direct connection, or pgbouncer 1.21 or newer with prepared statements).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import asyncpg
import orjson

from tagstream.errors import Conflict, InvalidInput, Unavailable

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
    Row = asyncpg.Record
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool
    Row = asyncpg.Record

_STATEMENT_S = 20
# To get a connection; and to get it back after its statement was given up.
_CONNECTION_S = 10

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    # asyncpg's own complaint of a connection whose server died between two statements.
    asyncpg.InternalClientError,
    asyncpg.QueryCanceledError,
    ConnectionError,
    TimeoutError,
    OSError,
)
_LOST_RACE = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
)
# Postgres cannot keep the character U+0000, neither in jsonb nor in text.
_UNSTORABLE = (asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError)


async def prepare_connection(connection: Connection) -> None:
    """What every connection gets: jsonb as bytes of JSON both ways, without a catalogue look-up.

    jsonb is sent in its binary form, which is one version byte before the text.
    """
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(memoryview(data)[1:]),
        format="binary",
    )


async def reset_connection(connection: Connection) -> None:
    """Costs nothing for a clean connection; the default is one more round trip per request.

    Nobody listens, locks or sets anything for a session on a pooled connection.
    """
    if connection.is_in_transaction():
        await connection.reset()


_FLUSHED = """CASE WHEN pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()
                THEN pg_logical_emit_message(true, 'tagstream', '') END"""
_FLUSH = f"SELECT {_FLUSHED}"


async def flush(connection: Connection) -> None:
    """Returns when everything that this connection could see is on disk.

    Journal transactions commit without waiting for the disk, which would be under the journal's
    lock. Whoever lets the outside know of what was committed (an answer, an event, a list that a
    watch goes on from) flushes first. Flushes at the same time share one.
    """
    await connection.execute(_FLUSH)


async def flush_and_read(connection: Connection, query: str) -> int:
    """What a `SELECT` of one number answers, once everything visible is on disk."""
    value: int = await connection.fetchval(f"{query}, {_FLUSHED}")
    return value


@asynccontextmanager
async def postgres_errors() -> AsyncIterator[None]:
    """Translates what Postgres and its client raise into Conflict, InvalidInput or Unavailable."""
    try:
        yield
    except _LOST_RACE as error:
        raise Conflict(f"another transaction came first: {error}") from error
    except _UNSTORABLE as error:
        raise InvalidInput("", "remove the character U+0000, which cannot be stored") from error
    except _AWAY as error:
        raise Unavailable(f"Postgres does not answer: {error or type(error).__name__}") from error


class Database:
    """A pool of prepared connections. Build it with `connect`, end it with `close`."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    async def connect(cls, url: str, *, name: str, size: int = 8) -> Database:
        """Opens the pool, lazily: one connection now, up to `size` under load.

        Raises Unavailable when Postgres does not answer within ten seconds, or says after as long
        that it is starting or recovering.
        """
        async with postgres_errors():
            pool = await _open_pool(url, name, size)
        return cls(pool, url)

    async def close(self) -> None:
        """Gives running queries two seconds, then drops the connections."""
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for single statements, each its own transaction.

        Raises Unavailable when none is free in ten seconds or a statement takes twenty: a server
        that hangs is refused within the half minute that clients wait.
        """
        acquired = self._pool.acquire(timeout=_CONNECTION_S)
        async with postgres_errors(), acquired as connection:
            yield cast(Connection, connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection in one read-only repeatable-read snapshot: rows and journal head agree."""
        async with self.connection() as connection:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection
            await flush(connection)


async def _open_pool(url: str, name: str, size: int) -> Pool:
    started = time.monotonic()
    while True:
        try:
            return await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                init=prepare_connection,
                reset=reset_connection,
                timeout=10,
                command_timeout=_STATEMENT_S,
                max_inactive_connection_lifetime=60,
                server_settings={
                    "application_name": f"tagstream-{name}",
                    "idle_in_transaction_session_timeout": "30s",
                    "timezone": "UTC",
                    "jit": "off",
                },
            )
        except asyncpg.CannotConnectNowError:
            # It is there and asks for patience: ending would only make the start longer.
            if time.monotonic() - started > _CONNECTION_S:
                raise
            await asyncio.sleep(0.1)
