"""Reading the journal for a recording: commands with what they told, and the rows around them.

Owns the SQL; the lines are made by `tagstream.cli.recorder`. Everything is read in one snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tagstream.store.database import Connection, Row
from tagstream.streams.import_orders import OrderedImport

_PAGE = 500

_COMMANDS = """
    SELECT id::text, position, at, kind, actor, cause, arguments FROM commands
    WHERE position >= $1 ORDER BY position LIMIT $2
"""
_CHANGES = """
    SELECT command::text, api_group AS "group", resource, namespace, name, uid::text, type,
           previous, body, delta
    FROM changes WHERE position BETWEEN $1 AND $2 ORDER BY position
"""
_FACTS = """
    SELECT position, id, type, subject, data FROM facts
    WHERE position BETWEEN $1 AND $2 ORDER BY position, number
"""
_JOBS = _FACTS.replace("FROM facts", "FROM jobs")


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command with everything that its transaction wrote to the journal. `position` is its last;
    each change has one of its own, in order."""

    id: str
    position: int
    at: datetime
    kind: str
    actor: str
    cause: str
    arguments: Mapping[str, object]
    changes: Sequence[Mapping[str, object]] = ()
    facts: Sequence[Mapping[str, object]] = ()
    jobs: Sequence[Mapping[str, object]] = ()


async def read_commands(connection: Connection, first: int) -> AsyncIterator[CommandRow]:
    """The commands from a position on, in commit order."""
    while True:
        rows = await connection.fetch(_COMMANDS, first, _PAGE)
        if not rows:
            return
        last: int = rows[-1]["position"]
        changes = _by(await connection.fetch(_CHANGES, first, last), "command")
        facts = _by(await connection.fetch(_FACTS, first, last), "position")
        jobs = _by(await connection.fetch(_JOBS, first, last), "position")
        for row in rows:
            identity, position, at, kind, actor, cause, arguments = row.values()
            yield CommandRow(
                identity,
                position,
                at,
                kind,
                actor,
                cause,
                arguments,
                changes=changes.get(row["id"], ()),
                facts=facts.get(row["position"], ()),
                jobs=jobs.get(row["position"], ()),
            )
        first = last + 1


def _by(rows: Sequence[Row], key: str) -> dict[object, list[dict[str, object]]]:
    grouped: dict[object, list[dict[str, object]]] = {}
    for row in rows:
        body = dict(row.items())
        grouped.setdefault(body.pop(key), []).append(body)
    return grouped


async def load_first_position(connection: Connection, position: int) -> int:
    """Where the first command at or after a position begins: behind the one before it."""
    first: int = await connection.fetchval(
        "SELECT coalesce(max(position), 0) + 1 FROM commands WHERE position < $1", position
    )
    return first


async def find_position(connection: Connection, since: datetime | int) -> int | None:
    """The position of the first command at or after a time or a position; None when there is
    none."""
    column = "position" if isinstance(since, int) else "at"
    position: int | None = await connection.fetchval(
        f"SELECT min(position) FROM commands WHERE {column} >= $1", since
    )
    return position


_OLDEST_WHOLE = """
    SELECT coalesce((SELECT min(position) FROM changes), (SELECT position + 1 FROM journal_head))
"""


async def load_oldest_recordable(connection: Connection) -> int:
    """The first position from which on everything is still there: commands, facts and jobs are
    trimmed no further than changes are, and changes by whole commands (store/retention.py)."""
    position: int = await connection.fetchval(_OLDEST_WHOLE)
    return position


# Rows that were there before or came in the recording, and were not gone before it.
_ITEMS = """
    SELECT i.tag, i.seq, i.created, i.reference, i.image, i.generation, i.actor, i.cause,
           i.command::text, coalesce(i.retired_by::text, '') AS retired_by,
           made.id IS NOT NULL AS is_new
    FROM tag_items i
    LEFT JOIN commands made ON made.id = i.command AND made.position >= $2
    LEFT JOIN commands ended ON ended.id = i.retired_by AND ended.position >= $2
    WHERE i.stream = $1 AND (i.retired_by IS NULL OR ended.id IS NOT NULL)
    ORDER BY i.tag, i.seq
"""
_TOP = """
    SELECT i.tag, max(i.seq) FROM tag_items i
    LEFT JOIN commands made ON made.id = i.command AND made.position >= $2
    WHERE i.stream = $1 AND made.id IS NULL GROUP BY i.tag
"""


@dataclass(frozen=True, slots=True)
class RecordedItem:
    """A row of a history. `is_new`: it came within the recording."""

    tag: str
    seq: int
    created: datetime
    reference: str
    image: str
    generation: int
    actor: str
    cause: str
    command: str
    retired_by: str
    is_new: bool


async def load_items(connection: Connection, uid: str, first: int) -> list[RecordedItem]:
    """The item rows of a stream that were live at the start of a recording or came within it."""
    return [RecordedItem(*row.values()) for row in await connection.fetch(_ITEMS, uid, first)]


async def load_top(connection: Connection, uid: str, first: int) -> dict[str, int]:
    """The highest number that each tag had before a recording began."""
    return {row[0]: row[1] for row in await connection.fetch(_TOP, uid, first)}


async def load_image_rows(
    connection: Connection, digests: Collection[str]
) -> dict[str, tuple[str, int, datetime]]:
    """uid, version and creation of each image that is there."""
    rows = await connection.fetch(
        "SELECT digest, uid::text, version, created_at FROM images WHERE digest = ANY ($1)",
        list(digests),
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def load_spec_rows(connection: Connection, uid: str) -> list[tuple[object, ...]]:
    """tag, generation, followed tag, schedule and body of each reference."""
    rows = await connection.fetch(
        "SELECT tag, generation, follows, scheduled, body FROM spec_tags WHERE stream = $1 "
        "ORDER BY tag",
        uid,
    )
    return [tuple(row.values()) for row in rows]


# Their rows went with their streams; what was ordered still stands in the jobs.
_LOST_IMPORTS = """
    SELECT DISTINCT ON (data ->> 'importId') data FROM jobs
    WHERE position < $1 AND data ->> 'streamUid' = ANY ($2)
      AND NOT EXISTS (
          SELECT FROM commands c WHERE c.kind = 'import.apply' AND c.position < $1
            AND c.arguments -> 'import' ->> 'id' = jobs.data ->> 'importId')
    ORDER BY data ->> 'importId', position DESC
"""


async def load_lost_imports(
    connection: Connection, uids: Collection[str], first: int
) -> list[OrderedImport]:
    """Imports of streams that are gone now, as far as they were open when a recording began. Of
    the request, which nobody asks for any more, nothing is known."""
    rows = await connection.fetch(_LOST_IMPORTS, first, list(uids)) if uids else []
    return [_order(row["data"]) for row in rows]


def _order(data: Mapping[str, Any]) -> OrderedImport:
    return OrderedImport(
        id=data["importId"],
        stream_uid=data["streamUid"],
        namespace=data["namespace"],
        stream=data["stream"],
        host=data.get("host", ""),
        request={},
        generations={one["tag"]: one.get("generation", 0) for one in data.get("tags", ())},
        scheduled=data.get("scheduled", False),
    )
