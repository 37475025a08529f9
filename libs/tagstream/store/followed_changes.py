"""The journal as one that follows a few kinds reads it: their changes up to the head, at once.

For caches and controllers that need little of the journal and would else read all of it. Watches
read every change with `journal.read_changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tagstream.store.database import Connection
from tagstream.store.journal import Change

# The head and the changes come from one statement, hence from one snapshot.
_READ = """
    SELECT h.position AS head, o.position AS oldest, c.position, c.api_group, c.resource,
           c.namespace, c.name, c.uid::text, c.type, c.previous, c.body
    FROM journal_head h
    LEFT JOIN LATERAL (SELECT position FROM changes ORDER BY position LIMIT 1) o ON true
    LEFT JOIN LATERAL (
        SELECT * FROM changes
        WHERE position > $1 AND position <= h.position AND body IS NOT NULL
          AND (api_group, resource) IN (SELECT * FROM unnest($2::text[], $3::text[]))
        ORDER BY position) c ON true
"""


@dataclass(frozen=True, slots=True)
class FollowedChanges:
    """Changes in order. When not `is_complete`, the journal was trimmed past the reader, who has
    to read the objects anew; `head` is the position that was looked at."""

    head: int
    is_complete: bool
    changes: Sequence[Change]


async def read_changes_of(
    connection: Connection, kinds: Sequence[tuple[str, str]], after: int
) -> FollowedChanges:
    """Every change of these kinds (group and resource, of generic objects) after a position."""
    rows = await connection.fetch(_READ, after, [k[0] for k in kinds], [k[1] for k in kinds])
    head, oldest = rows[0]["head"], rows[0]["oldest"]
    changes = [
        Change(
            row["api_group"],
            row["resource"],
            row["namespace"],
            row["name"],
            row["uid"],
            row["type"],
            row["previous"],
            row["body"],
        )
        for row in rows
        if row["position"] is not None
    ]
    return FollowedChanges(head, _is_complete(head, oldest, after), changes)


def _is_complete(head: int, oldest: int | None, after: int) -> bool:
    """A restored database may even have its head before what was read."""
    if head < after:
        return False
    return head == after if oldest is None else oldest <= after + 1


_TOUCHED = """
    SELECT resource, uid::text, type = 'DELETED' AS is_gone,
           body -> 'metadata' -> 'deletionTimestamp' IS NOT NULL AS is_going
    FROM changes
    WHERE position > $1 AND (type = 'DELETED' OR resource = ANY ($2)
        OR body -> 'metadata' -> 'deletionTimestamp' IS NOT NULL)
    ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """An object that was deleted, is being deleted, or is of a kind that was asked for."""

    resource: str
    uid: str
    is_gone: bool
    is_going: bool


async def read_touched(
    connection: Connection, resources: Sequence[str], after: int
) -> list[Touched]:
    """Such objects after a position, in order; one may come more than once."""
    rows = await connection.fetch(_TOUCHED, after, list(resources))
    return [Touched(*row.values()) for row in rows]
