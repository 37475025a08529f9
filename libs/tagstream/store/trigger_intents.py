"""Patches of workloads that are about to be made, so that none is made and never told.

Owns rows and queries; what `body` holds is the trigger-dispatcher's matter. Who takes an intent
tells it: of two who try, one finds it taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection, Row
from tagstream.store.workload_triggers import Key


@dataclass(frozen=True, slots=True)
class StoredIntent:
    """One patch of one generation of a workload; `is_seen` once the cluster showed it done.

    `is_overtaken` is told by `load_intents`: somebody was about to patch a later generation, and
    would have seen this one done when he looked at it.
    """

    id: str
    key: Key
    uid: str
    generation: int
    at: datetime
    body: Mapping[str, object]
    is_seen: bool = False
    is_overtaken: bool = False


# A generation is patched once: what was to be done to an earlier one was never done, unless it was
# seen.
_SAVE = """
    WITH new AS (
        SELECT * FROM unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::bigint[], $9::timestamptz[], $10::jsonb[])
        AS t (id, cluster, api_version, kind, namespace, name, uid, generation, at, body)
    ), never AS (
        DELETE FROM trigger_intents old USING new
        WHERE old.cluster = new.cluster AND old.api_version = new.api_version
          AND old.kind = new.kind AND old.namespace = new.namespace AND old.name = new.name
          AND old.generation < new.generation AND NOT old.is_seen AND old.told_at IS NULL
    )
    INSERT INTO trigger_intents
        (id, cluster, api_version, kind, namespace, name, uid, generation, at, body)
    SELECT * FROM new ORDER BY id
    ON CONFLICT (id) DO UPDATE SET at = excluded.at WHERE trigger_intents.told_at IS NULL
"""


async def save_intents(connection: Connection, intents: Sequence[StoredIntent]) -> None:
    """Write them all or none; one that was told already stays so. Each id comes once."""
    rows = [(one.id, *one.key, one.uid, one.generation, one.at, one.body) for one in intents]
    await connection.execute(_SAVE, *(list(column) for column in zip(*rows, strict=True)))


# Locked in one order, so that two who take the same ones do not wait for each other.
_TAKE = """
    UPDATE trigger_intents SET told_at = $2 WHERE id IN (
        SELECT id FROM trigger_intents WHERE id = ANY ($1::uuid[]) AND told_at IS NULL
        ORDER BY id FOR UPDATE)
    RETURNING id::text
"""


async def take_intents(connection: Connection, ids: Collection[str], at: datetime) -> set[str]:
    """Mark intents as told; the ids of those that were not yet, which are the caller's to tell."""
    return {row["id"] for row in await connection.fetch(_TAKE, list(ids), at)}


_FORGET = "DELETE FROM trigger_intents WHERE id = ANY ($1::uuid[]) AND told_at IS NULL"


async def forget_intents(connection: Connection, ids: Collection[str]) -> None:
    """Drop intents that were never done."""
    await connection.execute(_FORGET, list(ids))


_FORGET_TOLD = "DELETE FROM trigger_intents WHERE cluster = $1 AND told_at <= $2"


async def forget_told_intents(connection: Connection, cluster: str, until: datetime) -> None:
    """Drop those of a cluster that were told until then."""
    await connection.execute(_FORGET_TOLD, cluster, until)


_COLUMNS = (
    "id::text, cluster, api_version, kind, namespace, name, uid, generation, at, body, is_seen"
)
_OF_WORKLOAD = f"""
    SELECT {_COLUMNS}, EXISTS (
        SELECT FROM trigger_intents later
        WHERE later.cluster = $1 AND later.api_version = $2 AND later.kind = $3
          AND later.namespace = $4 AND later.name = $5 AND later.uid = one.uid
          AND later.generation > one.generation AND later.generation < $6)
    FROM trigger_intents one
    WHERE cluster = $1 AND api_version = $2 AND kind = $3 AND namespace = $4 AND name = $5
      AND told_at IS NULL AND NOT is_seen
"""


async def load_intents(connection: Connection, key: Key, generation: int) -> list[StoredIntent]:
    """Those of one workload that are neither told nor seen, for a look at this generation."""
    rows = await connection.fetch(_OF_WORKLOAD, *key, generation)
    return [_from_row(row) for row in rows]


_OLD = f"""
    SELECT {_COLUMNS} FROM trigger_intents
    WHERE cluster = $1 AND at <= $2 AND told_at IS NULL ORDER BY at LIMIT $3
"""


async def load_old_intents(
    connection: Connection, cluster: str, until: datetime, limit: int = 200
) -> list[StoredIntent]:
    """Those of a cluster that were last written until then and not told, the oldest first."""
    return [_from_row(row) for row in await connection.fetch(_OLD, cluster, until, limit)]


_SEE = "UPDATE trigger_intents SET is_seen = true WHERE id = ANY ($1::uuid[])"


async def note_seen(connection: Connection, ids: Collection[str]) -> None:
    """Note that the cluster shows them done."""
    await connection.execute(_SEE, list(ids))


def _from_row(row: Row) -> StoredIntent:
    id_, cluster, api_version, kind, namespace, name, *rest = row.values()
    return StoredIntent(id_, (cluster, api_version, kind, namespace, name), *rest)
