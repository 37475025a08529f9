"""What is thrown away when it is old, oldest first and a bounded number of rows at a time.

Each function deletes a prefix: nothing younger goes before something older, so that a reader who
starts after the oldest row that is left misses nothing. Returns how many rows went. What a tag's
history needs of a command is not thrown away but moved to `past_commands`.
"""

from __future__ import annotations

from datetime import datetime

from tagstream.store.database import Connection

# A command goes with all its changes: the last of a full page may have more, unless it is alone.
_TRIM_CHANGES = """
    WITH page AS (SELECT position, at, command FROM changes ORDER BY position LIMIT $2),
    oldest AS (
        SELECT position, command, bool_and(at < $1) OVER (ORDER BY position) AS is_old FROM page),
    cut AS (
        SELECT command FROM page
        WHERE (SELECT count(*) = $2 AND count(DISTINCT command) > 1 FROM page)
        ORDER BY position DESC LIMIT 1)
    DELETE FROM changes USING oldest
    WHERE changes.position = oldest.position AND is_old
      AND oldest.command NOT IN (SELECT command FROM cut)
"""


async def trim_changes(connection: Connection, before: datetime, limit: int) -> int:
    """Changes whose command is older: what a watch can no longer start after."""
    return _count(await connection.execute(_TRIM_CHANGES, before, limit))


# No index leads from a command to its items: moving a tag would have to keep it up to date. Here
# the batch is hashed and all items are read past it, once; for an empty batch, none.
_TRIM_COMMANDS = """
    WITH oldest AS (
        SELECT position, bool_and(at < $1) OVER (ORDER BY position) AS is_old
        FROM (SELECT position, at FROM commands
              WHERE position <= $3 ORDER BY position LIMIT $2) AS page),
    gone AS (
        DELETE FROM commands USING oldest WHERE commands.position = oldest.position AND is_old
        RETURNING id, commands.position, at, kind, actor, cause),
    named AS (
        SELECT made.id AS made, ended.id AS ended FROM tag_items
        LEFT JOIN gone made ON made.id = tag_items.command
        LEFT JOIN gone ended ON ended.id = tag_items.retired_by
        WHERE (made.id IS NOT NULL OR ended.id IS NOT NULL) AND EXISTS (SELECT FROM gone)),
    kept AS (
        INSERT INTO past_commands (id, position, at, kind, actor, cause)
        SELECT id, position, at, kind, actor, cause FROM gone
        WHERE id IN (SELECT made FROM named UNION ALL SELECT ended FROM named))
    SELECT count(*) FROM gone
"""


async def trim_commands(connection: Connection, before: datetime, until: int, limit: int) -> int:
    """Commands up to a position, which is before the oldest change that is left. Of those that put
    an image into a tag's history or took one out, who, why and when are kept."""
    count: int = await connection.fetchval(_TRIM_COMMANDS, before, limit, until)
    return count


async def load_oldest_command(connection: Connection) -> datetime | None:
    """When the oldest command that is left was committed."""
    moment: datetime | None = await connection.fetchval(
        "SELECT at FROM commands ORDER BY position LIMIT 1"
    )
    return moment


# {table} is facts or jobs, never a caller's text.
_TRIM_OUTBOX = """
    WITH oldest AS (
        SELECT position, number,
               bool_and(at < $1 AND position <= $3) OVER (ORDER BY position, number) AS is_old
        FROM (SELECT position, number, at FROM {table}
              ORDER BY position, number LIMIT $2) AS page)
    DELETE FROM {table} USING oldest
    WHERE {table}.position = oldest.position AND {table}.number = oldest.number AND is_old
"""
_TRIM_FACTS = _TRIM_OUTBOX.format(table="facts")
_TRIM_JOBS = _TRIM_OUTBOX.format(table="jobs")


async def trim_facts(connection: Connection, before: datetime, until: int, limit: int) -> int:
    """Facts that are old, up to a position: they were relayed, and their changes are gone."""
    return _count(await connection.execute(_TRIM_FACTS, before, limit, until))


async def trim_jobs(connection: Connection, before: datetime, until: int, limit: int) -> int:
    """Jobs that are old, up to a position: they were relayed, and their changes are gone."""
    return _count(await connection.execute(_TRIM_JOBS, before, limit, until))


def _count(status: str) -> int:
    """From a command tag such as `DELETE 12`."""
    return int(status.rpartition(" ")[2])
