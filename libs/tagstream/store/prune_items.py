"""Which history items go: the decision of spec/triggers-lookup-pruning.md D4 in SQL.

One place for marking (prune_marks.py) and for the second look before a deletion (prune.py). Owns
the limits that a run over sizes goes by, too; reading a quantity is the caller's part, since its
grammar is not SQL's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection

LONG_S = 900.0


@dataclass(frozen=True, slots=True)
class ItemRules:
    """Which items go: those that are not younger than the threshold, of one namespace (empty for
    all), and behind the newest revisions. With `over_size_limit` they must be of a larger image
    than their namespace allows besides."""

    threshold: datetime
    keep_revisions: int
    namespace: str = ""
    over_size_limit: bool = False


# $1 is the threshold, $2 how many items of a tag are kept. {scope} limits the tags looked at; the
# place of an item counts every live item of its tag.
_DECIDE = """
    SELECT t.stream, t.tag, t.seq, t.place, t.image,
      s.created_at <= $1 AND t.created <= $1 AND t.image <> ''
      AND NOT (t.place = 0 AND EXISTS (
        SELECT FROM prune_spellings p
        WHERE p.namespace = s.namespace AND p.stream = s.name AND p.tag = t.tag AND p.tag <> ''))
      AND (m.digest IS NULL OR (t.place >= $2{over} AND NOT EXISTS (
        SELECT FROM prune_spellings p
        WHERE p.namespace = s.namespace AND p.stream = s.name AND p.digest = t.image
          AND p.digest <> ''))) AS goes
    FROM (SELECT i.stream, i.tag, i.seq, i.image, i.created,
                 row_number() OVER (PARTITION BY i.stream, i.tag ORDER BY i.seq DESC) - 1 AS place
          FROM tag_items i WHERE i.retired_by IS NULL {scope}) t
    JOIN streams s ON s.uid = t.stream
    LEFT JOIN images m ON m.digest = t.image
"""
_OVER = """ AND EXISTS (
        SELECT FROM prune_limits l JOIN prune_large g ON g.size_bytes > l.most_bytes
        WHERE l.namespace = s.namespace AND g.digest = t.image)"""
IN_NAMESPACE = "AND i.stream IN (SELECT uid FROM streams WHERE namespace = $3)"


def decide_items_sql(scope: str, over_size_limit: bool) -> str:
    """A query of items and whether each `goes`; $1 and $2 are the threshold and the revisions that
    are kept. `scope` is a condition on tag_items `i`."""
    return _DECIDE.format(scope=scope, over=_OVER if over_size_limit else "")


_LIMITS = """
    SELECT DISTINCT r.namespace, r.name, l.one #>> '{max,storage}' AS most
    FROM resources r
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE jsonb_typeof(r.body #> '{spec,limits}')
            WHEN 'array' THEN r.body #> '{spec,limits}' ELSE '[]' END) AS l (one)
    WHERE r.api_group = '' AND r.resource = 'limitranges' AND ($2 = '' OR r.namespace = $2)
      AND l.one ->> 'type' = $1 AND l.one #>> '{max,storage}' IS NOT NULL
"""
_SAVE_LIMITS = """
    INSERT INTO prune_limits (namespace, most_bytes)
    SELECT namespace, min(most) FROM unnest($1::text[], $2::bigint[]) AS given (namespace, most)
    GROUP BY namespace
    ON CONFLICT (namespace)
    DO UPDATE SET most_bytes = least(prune_limits.most_bytes, excluded.most_bytes)
"""
# An image that says no size, like a manifest list, is not large.
_FIND_LARGE = """
    INSERT INTO prune_large (digest, size_bytes)
    SELECT digest, size::numeric
    FROM (SELECT digest, body #> '{dockerImageMetadata,Size}' AS size FROM images OFFSET 0) m
    WHERE CASE jsonb_typeof(size) WHEN 'number'
          THEN size::numeric > (SELECT min(most_bytes) FROM prune_limits) END
"""
WrittenLimit = tuple[str, str, str]
"""Namespace and name of a LimitRange, and a quantity that it says."""


async def page_limits(
    connection: Connection, limit_type: str, namespace: str, size: int
) -> AsyncIterator[list[WrittenLimit]]:
    """The limits of a type in one namespace (empty for all), in pages. Inside a transaction."""
    cursor = await connection.cursor(_LIMITS, limit_type, namespace)
    while rows := await cursor.fetch(size):
        yield [(row["namespace"], row["name"], row["most"]) for row in rows]


async def save_limits(connection: Connection, limits: Sequence[tuple[str, int]]) -> None:
    """Notes how large images may be, as namespace and bytes; the smallest of several counts."""
    if limits:
        await connection.execute(
            _SAVE_LIMITS, *(list(column) for column in zip(*limits, strict=True))
        )


async def find_large_images(connection: Connection) -> None:
    """Notes the images that are larger than the smallest limit."""
    await connection.execute(_FIND_LARGE, timeout=LONG_S)
