"""What the web page shows of many streams, and of many tags of one: a page of rows at a time.

Owns queries that count and page by number, which people want and the API does not offer. Whose
namespaces are shown is the caller's decision: `namespaces` None means every one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection, Row
from tagstream.streams.image_stream import TagEvent, TagEventCondition, TagReference
from tagstream.streams.json_form import reference_from_json


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which streams: all of `namespace` (empty: of any), whose name contains `name`."""

    namespaces: Sequence[str] | None = None
    namespace: str = ""
    name: str = ""
    only_failing: bool = False

    @property
    def arguments(self) -> tuple[object, ...]:
        return (
            None if self.namespaces is None else list(self.namespaces),
            self.namespace,
            self.name,
            self.only_failing,
        )


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream: how many tags it has, and how many of them failed to import the last time."""

    namespace: str
    name: str
    tags: int
    failing: int
    changed_at: datetime


_CHOSEN = """
    FROM streams s
    WHERE ($1::text[] IS NULL OR s.namespace = ANY ($1)) AND ($2 = '' OR s.namespace = $2)
      AND ($3 = '' OR strpos(s.name, $3) > 0)
      AND (NOT $4 OR EXISTS (
          SELECT FROM tag_conditions c WHERE c.stream = s.uid AND c.status = 'False'))
"""
_COUNT_STREAMS = f"SELECT count(*) {_CHOSEN}"


async def count_streams(connection: Connection, chosen: StreamFilter) -> int:
    """How many streams there are of that choice."""
    count: int = await connection.fetchval(_COUNT_STREAMS, *chosen.arguments)
    return count


# A tag exists once it is wanted or was seen. The journal forgets: a stream that has rested since is
# dated by its newest image.
_STREAMS = f"""
    SELECT p.namespace, p.name,
           (SELECT count(*) FROM (
               SELECT tag FROM spec_tags WHERE stream = p.uid
               UNION SELECT tag FROM tag_items WHERE stream = p.uid AND retired_by IS NULL
               UNION SELECT tag FROM tag_conditions WHERE stream = p.uid) n) AS tags,
           (SELECT count(*) FROM tag_conditions c
            WHERE c.stream = p.uid AND c.status = 'False') AS failing,
           coalesce((SELECT at FROM changes WHERE position = p.version),
                    (SELECT max(created) FROM tag_items
                     WHERE stream = p.uid AND retired_by IS NULL),
                    p.created_at) AS changed_at
    FROM (SELECT s.uid, s.namespace, s.name, s.version, s.created_at {_CHOSEN}
          ORDER BY s.namespace, s.name OFFSET $5 LIMIT $6) p
    ORDER BY p.namespace, p.name
"""


async def list_stream_summaries(
    connection: Connection, chosen: StreamFilter, *, skip: int, limit: int
) -> list[StreamSummary]:
    """Streams by namespace and name."""
    rows = await connection.fetch(_STREAMS, *chosen.arguments, skip, limit)
    return [StreamSummary(*row.values()) for row in rows]


@dataclass(frozen=True, slots=True)
class TagSummary:
    """One tag: where it comes from, what it points to, and why its last import failed."""

    tag: str
    reference: TagReference | None
    head: TagEvent | None
    condition: TagEventCondition | None


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Which tags of a stream: those whose name contains `name`."""

    name: str = ""
    only_failing: bool = False


_DETAILS = """
    LEFT JOIN spec_tags t ON t.stream = $1 AND t.tag = p.tag
    LEFT JOIN LATERAL (
        SELECT * FROM tag_items x WHERE x.stream = $1 AND x.tag = p.tag AND x.retired_by IS NULL
        ORDER BY seq DESC LIMIT 1) i ON true
    LEFT JOIN tag_conditions c ON c.stream = $1 AND c.tag = p.tag
"""
_COLUMNS = """
    p.tag, t.body AS reference_body,
    i.created, i.reference, i.image, i.generation AS item_generation,
    c.type, c.status, c.reason, c.message, c.generation, c.transitioned_at
"""
# The tags of a stream are gathered once, to be counted and to be shown; a page beyond the end is
# the last one.
_TAGS = f"""
    WITH n AS MATERIALIZED (
        SELECT tag FROM (
            SELECT tag FROM spec_tags WHERE stream = $1
            UNION SELECT tag FROM tag_items WHERE stream = $1 AND retired_by IS NULL
            UNION SELECT tag FROM tag_conditions WHERE stream = $1) every
        WHERE ($2 = '' OR strpos(tag, $2) > 0)
          AND (NOT $3 OR EXISTS (
              SELECT FROM tag_conditions c
              WHERE c.stream = $1 AND c.tag = every.tag AND c.status = 'False')))
    SELECT (SELECT count(*) FROM n) AS total, {_COLUMNS}
    FROM (SELECT tag FROM n ORDER BY tag
          OFFSET (SELECT least($4, greatest(count(*) - 1, 0) / $5 * $5) FROM n) LIMIT $5) p
    {_DETAILS}
    ORDER BY p.tag
"""


async def list_tag_summaries(
    connection: Connection, uid: str, chosen: TagFilter, *, skip: int, limit: int
) -> tuple[list[TagSummary], int]:
    """A page of a stream's tags by name, and how many there are of that choice."""
    rows = await connection.fetch(_TAGS, uid, chosen.name, chosen.only_failing, skip, limit)
    return [_from_row(row) for row in rows], rows[0]["total"] if rows else 0


_TAG = f'SELECT {_COLUMNS} FROM (SELECT $2::text COLLATE "C" AS tag) p {_DETAILS}'


async def load_tag_summary(connection: Connection, uid: str, tag: str) -> TagSummary | None:
    """One tag; None when it is neither wanted nor was ever seen."""
    summary = _from_row(await connection.fetchrow(_TAG, uid, tag))
    parts = (summary.reference, summary.head, summary.condition)
    return summary if any(part is not None for part in parts) else None


def _from_row(row: Row | None) -> TagSummary:
    assert row is not None
    body, created = row["reference_body"], row["created"]
    head = condition = None
    if created is not None:
        head = TagEvent(created, row["reference"], row["image"], row["item_generation"])
    if row["type"] is not None:
        condition = TagEventCondition(
            row["type"],
            row["status"],
            row["transitioned_at"],
            row["reason"],
            row["message"],
            row["generation"],
        )
    return TagSummary(
        row["tag"], reference_from_json(body) if body is not None else None, head, condition
    )


_NAMESPACES = """
    SELECT name, (body -> 'metadata' ->> 'creationTimestamp')::timestamptz AS since
    FROM resources WHERE api_group = '' AND resource = 'namespaces' AND namespace = ''
      AND ($1::text IS NULL OR name = $1)
    ORDER BY name
"""


async def load_namespace_births(
    connection: Connection, only: str | None = None
) -> dict[str, datetime]:
    """Namespaces by name, with when they were made: what happened earlier under the same name was
    somebody else's. `only` asks for one."""
    rows = await connection.fetch(_NAMESPACES, only)
    return {row["name"]: row["since"] for row in rows}
