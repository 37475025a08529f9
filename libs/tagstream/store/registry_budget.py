"""Requests a second to one registry host, shared by all replicas.

A replica takes some of a second's permits with one statement and spends them locally, so that a
request costs no row. The database's clock cuts the seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Slice:
    """Permits for the current second, which ends in `remaining_s`; 0 when it is used up."""

    permits: int
    remaining_s: float


# `spent` may pass the rate by less than one taking; the permits handed out never do.
_TAKE = """
    WITH moment AS (SELECT clock_timestamp() AS now),
    taken AS (
        INSERT INTO registry_budget AS b (host, slice, spent)
        SELECT $1, date_trunc('second', now), $2::integer FROM moment
        ON CONFLICT (host, slice) DO UPDATE SET spent = b.spent + excluded.spent
        WHERE b.spent < $3::integer
        RETURNING spent)
    SELECT coalesce((SELECT least($2, $3 - spent + $2) FROM taken), 0) AS permits,
           1 - extract(epoch FROM now - date_trunc('second', now))::float8 AS remaining_s
    FROM moment
"""


async def take_permits(database: Database, host: str, count: int, rate: int) -> Slice:
    """Takes up to `count` of the `rate` permits that a host has this second."""
    async with database.connection() as connection:
        row = await connection.fetchrow(_TAKE, host, count, rate)
    assert row is not None
    return Slice(row["permits"], row["remaining_s"])


_FORGET = "DELETE FROM registry_budget WHERE slice < now() - interval '1 minute'"


async def forget_slices(connection: Connection) -> None:
    """Drops the seconds that are over."""
    await connection.execute(_FORGET)
