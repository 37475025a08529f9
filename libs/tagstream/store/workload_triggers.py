"""The index of workloads that follow tags: who must be looked at when a tag moves.

One row a trigger; all rows of a workload carry the same `body`. Owns rows and queries; what a
trigger means, and what `body` holds, is the trigger-dispatcher's matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tagstream.store.database import Connection

Key = tuple[str, str, str, str, str]
"""Cluster, apiVersion, kind, namespace, name."""


@dataclass(frozen=True, slots=True)
class IndexedTrigger:
    """One trigger that names a tag; `container` and `image` are empty if its path finds none."""

    field_path: str
    container: str
    stream_namespace: str
    stream: str
    tag: str
    paused: bool
    image: str


@dataclass(frozen=True, slots=True)
class IndexedWorkload:
    """A workload as it was last seen or written.

    `failures` counts failed reactions in a row; with failures and no `retry_at` it was given up
    until the workload or one of its tags changes.
    """

    key: Key
    uid: str
    resource_version: str
    body: Mapping[str, object]
    failures: int = 0
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PatchedWorkload:
    """A workload that was patched: as it was, and its rows as the patch left it."""

    before: IndexedWorkload
    workload: IndexedWorkload
    triggers: tuple[IndexedTrigger, ...]


_COLUMNS = """cluster, api_version, kind, namespace, name, uid, resource_version, body, failures,
    retry_at"""
_ONE = "cluster = $1 AND api_version = $2 AND kind = $3 AND namespace = $4 AND name = $5"

_FOLLOWERS = f"""
    SELECT DISTINCT ON (cluster, api_version, kind, namespace, name) {_COLUMNS}
    FROM workload_triggers
    WHERE stream_namespace = $1 AND stream = $2 AND tag = $3 AND NOT paused AND cluster = $4
    ORDER BY cluster, api_version, kind, namespace, name
"""


async def load_followers(
    connection: Connection, cluster: str, stream_namespace: str, stream: str, tag: str
) -> list[IndexedWorkload]:
    """The cluster's workloads with an active trigger on the tag, ordered by key."""
    rows = await connection.fetch(_FOLLOWERS, stream_namespace, stream, tag, cluster)
    return [_from_row(row) for row in rows]


_LOAD = f"SELECT {_COLUMNS} FROM workload_triggers WHERE {_ONE} LIMIT 1"


async def load_workload(connection: Connection, key: Key) -> IndexedWorkload | None:
    """One workload, None when it follows nothing."""
    row = await connection.fetchrow(_LOAD, *key)
    return None if row is None else _from_row(row)


_PAGE = f"""
    SELECT DISTINCT ON (cluster, api_version, kind, namespace, name) {_COLUMNS}
    FROM workload_triggers
    WHERE cluster = $1 AND (api_version, kind, namespace, name) > ($2, $3, $4, $5)
      AND ($6 = '' OR namespace = $6)
    ORDER BY cluster, api_version, kind, namespace, name LIMIT $7
"""


async def load_page(
    connection: Connection, cluster: str, after: Key | None, namespace: str = "", limit: int = 200
) -> list[IndexedWorkload]:
    """The next workloads of a cluster in key order, of one namespace if it is given."""
    start = after[1:] if after else ("", "", "", "")
    rows = await connection.fetch(_PAGE, cluster, *start, namespace, limit)
    return [_from_row(row) for row in rows]


_DUE = f"""
    SELECT DISTINCT ON (cluster, api_version, kind, namespace, name) {_COLUMNS}
    FROM workload_triggers WHERE cluster = $1 AND retry_at <= $2
    ORDER BY cluster, api_version, kind, namespace, name LIMIT $3
"""


async def load_due(
    connection: Connection, cluster: str, now: datetime, limit: int = 200
) -> list[IndexedWorkload]:
    """Workloads whose reaction failed, or never came to its end, and is due again."""
    rows = await connection.fetch(_DUE, cluster, now, limit)
    return [_from_row(row) for row in rows]


_FAILING = """
    SELECT count(DISTINCT (api_version, kind, namespace, name)) FROM workload_triggers
    WHERE cluster = $1 AND failures > 0 AND retry_at IS NOT NULL
"""


async def count_failing(connection: Connection, cluster: str) -> int:
    """How many workloads of the cluster wait for another try after a failure."""
    count: int = await connection.fetchval(_FAILING, cluster)
    return count


# Deleting and inserting in one statement sees one snapshot, so an entry that stays is updated.
_SAVE = f"""
    WITH gone AS (
        DELETE FROM workload_triggers WHERE {_ONE} AND NOT field_path = ANY ($11)
    )
    INSERT INTO workload_triggers (
        cluster, api_version, kind, namespace, name, uid, resource_version, body, retry_at,
        observed_at, field_path, container, stream_namespace, stream, tag, paused, image)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, t.*
    FROM unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[],
                $17::text[]) AS t
    ON CONFLICT (cluster, api_version, kind, namespace, name, field_path) DO UPDATE SET
        uid = excluded.uid, resource_version = excluded.resource_version, body = excluded.body,
        failures = 0, retry_at = excluded.retry_at, observed_at = excluded.observed_at,
        container = excluded.container, stream_namespace = excluded.stream_namespace,
        stream = excluded.stream, tag = excluded.tag, paused = excluded.paused,
        image = excluded.image
"""


async def save_workload(
    connection: Connection,
    workload: IndexedWorkload,
    triggers: tuple[IndexedTrigger, ...],
    observed_at: datetime,
) -> None:
    """Replace all rows of the workload; none are left when `triggers` is empty.

    Earlier failures are forgotten: what was saved is new.
    """
    if not triggers:
        await drop_workload(connection, workload.key)
        return
    # As `lock_workload` and `update_workloads` take them.
    triggers = tuple(sorted(triggers, key=lambda trigger: trigger.field_path))
    await connection.execute(
        _SAVE,
        *workload.key,
        workload.uid,
        workload.resource_version,
        workload.body,
        workload.retry_at,
        observed_at,
        [t.field_path for t in triggers],
        [t.container for t in triggers],
        [t.stream_namespace for t in triggers],
        [t.stream for t in triggers],
        [t.tag for t in triggers],
        [t.paused for t in triggers],
        [t.image for t in triggers],
    )


_LOCK_ONE = f"""
    SELECT {_COLUMNS} FROM workload_triggers WHERE {_ONE} ORDER BY field_path FOR UPDATE
"""


async def lock_workload(connection: Connection, key: Key) -> IndexedWorkload | None:
    """A workload, which stays as it is until the transaction ends; None when it follows nothing."""
    rows = await connection.fetch(_LOCK_ONE, *key)
    return _from_row(rows[0]) if rows else None


# In one order: two who write the same workloads must not wait for each other.
_LOCK = """
    SELECT FROM workload_triggers
    WHERE (cluster, api_version, kind, namespace, name) IN (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]))
    ORDER BY cluster, api_version, kind, namespace, name, field_path FOR UPDATE
"""
_UPDATE = """
    UPDATE workload_triggers old SET
        resource_version = new.resource_version, body = new.body, failures = 0, retry_at = NULL,
        observed_at = $10, container = new.container, image = new.image
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::jsonb[], $9::text[], $11::text[], $12::text[], $13::jsonb[])
        AS new (cluster, api_version, kind, namespace, name, uid, resource_version, body,
                field_path, container, image, before)
    WHERE old.cluster = new.cluster AND old.api_version = new.api_version AND old.kind = new.kind
      AND old.namespace = new.namespace AND old.name = new.name AND old.uid = new.uid
      AND old.field_path = new.field_path AND old.body = new.before
"""


async def update_workloads(
    connection: Connection, patched: Sequence[PatchedWorkload], observed_at: datetime
) -> None:
    """Write workloads whose images alone have changed; what left the index or changed meanwhile
    stays as it is.

    Earlier failures are forgotten.
    """
    keys = [one.workload.key for one in patched]
    await connection.execute(_LOCK, *map(list, zip(*keys, strict=True)))
    rows = [
        (*_identity(one.workload), t.field_path, t.container, t.image, one.before.body)
        for one in patched
        for t in one.triggers
    ]
    if rows:
        *first, container, image, before = map(list, zip(*rows, strict=True))
        await connection.execute(_UPDATE, *first, observed_at, container, image, before)


def _identity(workload: IndexedWorkload) -> tuple[object, ...]:
    return (*workload.key, workload.uid, workload.resource_version, workload.body)


_DROP = f"DELETE FROM workload_triggers WHERE {_ONE} AND ($6 = '' OR uid = $6)"


async def drop_workload(connection: Connection, key: Key, uid: str = "") -> None:
    """Forget a workload that is gone or follows nothing any more; with `uid` that very one."""
    await connection.execute(_DROP, *key, uid)


_FAIL = f"""
    UPDATE workload_triggers SET failures = $6, retry_at = $7
    WHERE {_ONE} AND body = $8
"""


async def save_failure(
    connection: Connection, workload: IndexedWorkload, failures: int, retry_at: datetime | None
) -> None:
    """Note a failed reaction, unless the workload has changed since it was loaded."""
    await connection.execute(_FAIL, *workload.key, failures, retry_at, workload.body)


_SETTLE = f"""
    UPDATE workload_triggers SET failures = 0, retry_at = NULL
    WHERE {_ONE} AND body = $6 AND (failures > 0 OR retry_at IS NOT NULL)
"""


async def settle_workload(connection: Connection, workload: IndexedWorkload) -> None:
    """Note that the workload, as it was loaded, has all its images."""
    await connection.execute(_SETTLE, *workload.key, workload.body)


_PAUSES = "SELECT name FROM resources WHERE api_group = $1 AND resource = $2"


async def load_trigger_pauses(connection: Connection) -> frozenset[str]:
    """Names of the pauses in force: `all`, or `namespace.<name>`."""
    rows = await connection.fetch(_PAUSES, "tagstream.dev", "triggerpauses")
    return frozenset(row["name"] for row in rows)


def _from_row(row: asyncpg.Record) -> IndexedWorkload:
    cluster, api_version, kind, namespace, name, *rest = row.values()
    return IndexedWorkload((cluster, api_version, kind, namespace, name), *rest)
