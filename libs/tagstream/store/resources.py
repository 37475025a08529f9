"""Generic objects: one table for every kind that is not ours to understand.

The body is the object as JSON without `metadata.resourceVersion`, which is the row's version. What
a Secret holds is kept apart, encrypted (`sealed`), and never reaches the journal: a change to one
carries its body without data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagstream.store.database import Connection, Row
from tagstream.store.journal import Change, ChangeType, Transaction


@dataclass(frozen=True, slots=True)
class Resource:
    """One stored object. `version` is 0 before the journal has stamped it."""

    group: str
    resource: str
    namespace: str
    name: str
    uid: str
    version: int
    labels: Mapping[str, str]
    body: Mapping[str, object]
    sealed: bytes | None = None


_COLUMNS = """api_group, resource, namespace, name, uid::text, version, labels, body, sealed"""
_GET = f"""
    SELECT {_COLUMNS} FROM resources
    WHERE api_group = $1 AND resource = $2 AND namespace = $3 AND name = $4
"""
_GET_LOCKED = f"{_GET} FOR UPDATE"


async def load_resource(
    connection: Connection,
    group: str,
    resource: str,
    namespace: str,
    name: str,
    *,
    lock: bool = False,
) -> Resource | None:
    """None when there is no such object. `namespace` is empty for a cluster-scoped kind."""
    row = await connection.fetchrow(_GET_LOCKED if lock else _GET, group, resource, namespace, name)
    return _from_row(row) if row is not None else None


def _from_row(row: Row) -> Resource:
    return Resource(*row.values())


_LIST = f"""
    SELECT {_COLUMNS} FROM resources
    WHERE api_group = $1 AND resource = $2 AND ($3 = '' OR namespace = $3)
      AND (namespace, name) > ($4, $5) AND labels @> $6
    ORDER BY namespace, name LIMIT $7
"""


async def list_resources(
    connection: Connection,
    group: str,
    resource: str,
    *,
    namespace: str = "",
    after: tuple[str, str] = ("", ""),
    labels: Mapping[str, str] | None = None,
    limit: int = 1_000_000_000,
) -> list[Resource]:
    """Objects by namespace and name, after a pair of both, that carry all of `labels`."""
    rows = await connection.fetch(
        _LIST, group, resource, namespace, *after, dict(labels or {}), limit
    )
    return [_from_row(row) for row in rows]


_INSERT = """
    INSERT INTO resources (api_group, resource, namespace, name, uid, version, labels, body, sealed)
    VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8)
"""
_UPDATE = "UPDATE resources SET labels = $2, body = $3, sealed = $4 WHERE uid = $1"
_DELETE = "DELETE FROM resources WHERE uid = $1"


async def insert_resource(tx: Transaction, new: Resource) -> Change:
    """Stores a new object. A taken name ends the transaction with Conflict."""
    await tx.connection.execute(
        _INSERT,
        new.group,
        new.resource,
        new.namespace,
        new.name,
        new.uid,
        dict(new.labels),
        dict(new.body),
        new.sealed,
    )
    return _record(tx, new, "ADDED")


async def update_resource(tx: Transaction, after: Resource) -> Change:
    """Stores the new form of a locked object; `version` is the one it had."""
    await tx.connection.execute(
        _UPDATE, after.uid, dict(after.labels), dict(after.body), after.sealed
    )
    return _record(tx, after, "MODIFIED")


async def delete_resource(tx: Transaction, gone: Resource) -> Change:
    """Removes a locked object."""
    await tx.connection.execute(_DELETE, gone.uid)
    return _record(tx, gone, "DELETED")


def _record(tx: Transaction, one: Resource, kind: ChangeType) -> Change:
    change = Change(
        one.group,
        one.resource,
        one.namespace,
        one.name,
        one.uid,
        kind,
        one.version,
        body=one.body,
    )
    tx.record(change)
    return change


_OWNED = f"""
    SELECT {_COLUMNS} FROM resources
    WHERE body -> 'metadata' -> 'ownerReferences' @> jsonb_build_array(
        jsonb_build_object('uid', $1::text))
    ORDER BY api_group, resource, namespace, name LIMIT $2
"""
_IN_NAMESPACE = f"""
    SELECT {_COLUMNS} FROM resources WHERE namespace = $1
    ORDER BY api_group, resource, name LIMIT $2
"""


async def list_owned(connection: Connection, owner_uid: str, limit: int) -> list[Resource]:
    """Objects that name this owner."""
    return [_from_row(row) for row in await connection.fetch(_OWNED, owner_uid, limit)]


async def list_in_namespace(connection: Connection, namespace: str, limit: int) -> list[Resource]:
    """Objects of every generic kind in a namespace."""
    return [_from_row(row) for row in await connection.fetch(_IN_NAMESPACE, namespace, limit)]
