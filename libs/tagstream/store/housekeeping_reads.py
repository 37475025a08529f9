"""What housekeeping looks for among the generic objects: each query finds what needs a hand.

Writing is done with `resources.py`. Times in bodies are compared as text: all are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from tagstream.store.database import Connection, Row
from tagstream.store.resources import Resource

_COLUMNS = "api_group, resource, namespace, name, uid::text, version, labels, body, sealed"


def _from_row(row: Row) -> Resource:
    return Resource(*row.values())


_TERMINATING = """
    SELECT name FROM resources
    WHERE api_group = '' AND resource = 'namespaces'
      AND body -> 'metadata' -> 'deletionTimestamp' IS NOT NULL
    ORDER BY name
"""


async def list_terminating_namespaces(connection: Connection) -> list[str]:
    """Names of the namespaces that are being deleted."""
    return [row["name"] for row in await connection.fetch(_TERMINATING)]


# What is left behind when an object is created while its namespace disappears.
_ABANDONED = """
    SELECT DISTINCT namespace FROM (
        SELECT namespace FROM resources WHERE namespace <> ''
        UNION ALL SELECT namespace FROM streams) AS used
    WHERE NOT EXISTS (SELECT FROM resources n WHERE n.api_group = '' AND n.resource = 'namespaces'
                      AND n.namespace = '' AND n.name = used.namespace)
    ORDER BY namespace
"""


async def list_abandoned_namespaces(connection: Connection) -> list[str]:
    """Namespaces that do not exist but still hold something."""
    return [row["namespace"] for row in await connection.fetch(_ABANDONED)]


_LOCK_CONTENT = f"""
    SELECT {_COLUMNS} FROM resources WHERE namespace = $1
      AND (body -> 'metadata' -> 'deletionTimestamp' IS NULL
           OR coalesce(body -> 'metadata' -> 'finalizers', '[]') = '[]')
    ORDER BY api_group, resource, name LIMIT $2 FOR UPDATE
"""
_HAS_CONTENT = """
    SELECT EXISTS (SELECT FROM resources WHERE namespace = $1)
        OR EXISTS (SELECT FROM streams WHERE namespace = $1)
"""


async def lock_deletable_content(
    connection: Connection, namespace: str, limit: int
) -> list[Resource]:
    """Objects of a namespace that can be deleted or marked for it, held for writing."""
    return [_from_row(row) for row in await connection.fetch(_LOCK_CONTENT, namespace, limit)]


async def has_content(connection: Connection, namespace: str) -> bool:
    """Whether anything lies in a namespace."""
    found: bool = await connection.fetchval(_HAS_CONTENT, namespace)
    return found


_MISSING = """
    SELECT n.name AS namespace, w.api_group, w.resource, w.name
    FROM resources n
    CROSS JOIN unnest($1::text[], $2::text[], $3::text[]) AS w (api_group, resource, name)
    WHERE n.api_group = '' AND n.resource = 'namespaces'
      AND n.body -> 'metadata' -> 'deletionTimestamp' IS NULL
      AND NOT EXISTS (SELECT FROM resources r WHERE r.api_group = w.api_group
          AND r.resource = w.resource AND r.namespace = n.name AND r.name = w.name)
    ORDER BY n.name LIMIT $4
"""


async def list_missing_defaults(
    connection: Connection, wanted: Sequence[tuple[str, str, str]], limit: int
) -> dict[str, list[tuple[str, str, str]]]:
    """By active namespace, which of the wanted (group, resource, name) it lacks."""
    groups, resources, names = (list(column) for column in zip(*wanted, strict=True))
    rows = await connection.fetch(_MISSING, groups, resources, names, limit)
    missing: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        found = (row["api_group"], row["resource"], row["name"])
        missing.setdefault(row["namespace"], []).append(found)
    return missing


_DEPENDENTS = """
    SELECT uid::text, namespace, body -> 'metadata' -> 'ownerReferences' AS owners FROM resources
    WHERE uid > $1 AND body -> 'metadata' -> 'ownerReferences' IS NOT NULL
    ORDER BY uid LIMIT $2
"""
_HELD_OWNERS = """
    SELECT uid::text FROM resources
    WHERE body -> 'metadata' -> 'deletionTimestamp' IS NOT NULL
      AND body -> 'metadata' -> 'finalizers' ?| ARRAY['foregroundDeletion', 'orphan']
    ORDER BY uid LIMIT $1
"""
_LOCK_BY_UID = f"SELECT {_COLUMNS} FROM resources WHERE uid = $1 FOR UPDATE"
_OWNERS = """
    SELECT uid::text, namespace,
           body -> 'metadata' -> 'deletionTimestamp' IS NOT NULL
           AND body -> 'metadata' -> 'finalizers' ? 'foregroundDeletion' AS goes_last
    FROM resources WHERE uid = ANY ($1)
    UNION ALL SELECT uid::text, namespace, false FROM streams WHERE uid = ANY ($1)
    UNION ALL SELECT uid::text, '', false FROM images WHERE uid = ANY ($1)
"""
FIRST_UID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Owner:
    """An object that exists and is named as an owner. `goes_last`: it is being deleted, and waits
    for its dependents."""

    uid: str
    namespace: str
    goes_last: bool


@dataclass(frozen=True, slots=True)
class Dependent:
    """An object that names owners, by their uids."""

    uid: str
    namespace: str
    owners: tuple[str, ...]


async def list_dependents(connection: Connection, after_uid: str, limit: int) -> list[Dependent]:
    """Objects that name an owner, by uid, after one."""
    rows = await connection.fetch(_DEPENDENTS, after_uid, limit)
    return [Dependent(row["uid"], row["namespace"], _uids(row["owners"])) for row in rows]


def _uids(references: list[dict[str, object]]) -> tuple[str, ...]:
    return tuple(str(one.get("uid", "")) for one in references)


async def list_held_owners(connection: Connection, limit: int) -> list[str]:
    """Uids of deleted objects that wait for what is to become of their dependents."""
    return [row["uid"] for row in await connection.fetch(_HELD_OWNERS, limit)]


async def lock_by_uid(connection: Connection, uid: str) -> Resource | None:
    """One object, held for writing; None when there is none."""
    row = await connection.fetchrow(_LOCK_BY_UID, uid)
    return _from_row(row) if row is not None else None


async def load_owners(connection: Connection, uids: Collection[str]) -> list[Owner]:
    """The objects of any kind that exist among `uids`; a text that is no uid is none."""
    valid = sorted({uid for uid in uids if _is_uid(uid)})
    rows = await connection.fetch(_OWNERS, valid)
    return [Owner(row["uid"], row["namespace"], bool(row["goes_last"])) for row in rows]


def _is_uid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


_EXPIRED_EVENTS = f"""
    SELECT {_COLUMNS} FROM resources
    WHERE api_group IN ('', 'events.k8s.io') AND resource = 'events'
      AND greatest(body -> 'metadata' ->> 'creationTimestamp', body ->> 'lastTimestamp',
                   body ->> 'eventTime', body -> 'series' ->> 'lastObservedTime') < $1
    ORDER BY namespace, name LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def lock_expired_events(connection: Connection, before: str, limit: int) -> list[Resource]:
    """Events that were last seen before a time, held for writing."""
    return [_from_row(row) for row in await connection.fetch(_EXPIRED_EVENTS, before, limit)]


_OWNED_STREAMS = """
    SELECT uid::text, namespace, name, metadata -> 'ownerReferences' AS owners FROM streams
    WHERE metadata -> 'ownerReferences' IS NOT NULL AND (namespace, name) > ($1, $2)
    ORDER BY namespace, name LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class OwnedStream:
    """An image stream that names owners, by their uids."""

    namespace: str
    name: str
    owners: tuple[str, ...]


async def list_owned_streams(
    connection: Connection, after: tuple[str, str], limit: int
) -> list[OwnedStream]:
    """Image streams with owners, by namespace and name, after a pair of both."""
    rows = await connection.fetch(_OWNED_STREAMS, *after, limit)
    return [OwnedStream(row["namespace"], row["name"], _uids(row["owners"])) for row in rows]
