"""Patches of workloads that are about to be made, so that each that is made is told once.

Owns rows and queries; what `body` holds is the trigger-dispatcher's matter. A state of a workload
is patched once, so whoever is first to note it as told tells it, and nobody after him.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection, Row
from tagstream.store.workload_triggers import Key


@dataclass(frozen=True, slots=True)
class PatchedState:
    """The state of a workload that a patch holds for: `base` names it among all of the workload's,
    `generation` orders them where the cluster counts."""

    key: Key
    uid: str
    base: str
    generation: int


@dataclass(frozen=True, slots=True)
class StoredIntent:
    """One try to patch.

    `is_overtaken` is told by `load_intents`: the state was patched by somebody else, or a later
    one, who would have seen this one done when he looked at it.
    """

    id: str
    state: PatchedState
    at: datetime
    body: Mapping[str, object]
    is_overtaken: bool = False


_SAVE = """
    INSERT INTO trigger_intents
        (id, cluster, api_version, kind, namespace, name, uid, base, generation, at, body)
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::bigint[], $10::timestamptz[], $11::jsonb[])
"""


async def save_intents(connection: Connection, intents: Sequence[StoredIntent]) -> None:
    """Write them all or none."""
    rows = [(one.id, *_columns(one.state), one.at, one.body) for one in intents]
    await connection.execute(_SAVE, *map(list, zip(*rows, strict=True)))


# In one order: two who tell the same must not wait for each other.
_TELL = """
    INSERT INTO trigger_told
        (cluster, api_version, kind, namespace, name, uid, base, generation, at)
    SELECT t.*, $9 FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::bigint[]) AS t
    ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT DO NOTHING
    RETURNING cluster, api_version, kind, namespace, name, uid, base, generation
"""


async def note_told(
    connection: Connection, intents: Sequence[StoredIntent], at: datetime
) -> set[PatchedState]:
    """Note patches that were made as told, and drop their intents.

    The states that were not told yet: what was done to them is the caller's to tell.
    """
    rows = [_columns(one.state) for one in intents]
    told = await connection.fetch(_TELL, *map(list, zip(*rows, strict=True)), at)
    await forget_intents(connection, [one.id for one in intents])
    return {_state(tuple(row.values())) for row in told}


_FORGET = "DELETE FROM trigger_intents WHERE id = ANY ($1::uuid[])"


async def forget_intents(connection: Connection, ids: Collection[str]) -> None:
    """Drop intents that are told, or were never done."""
    await connection.execute(_FORGET, list(ids))


_FORGET_OLD = (
    "DELETE FROM trigger_told WHERE cluster = $1 AND at <= $2",
    "DELETE FROM trigger_intents WHERE cluster = $1 AND at <= $2 AND NOT is_seen",
)


async def forget_old(
    connection: Connection, cluster: str, told_until: datetime, intended_until: datetime
) -> None:
    """Drop what was told, and what was intended and never seen done, until then."""
    for forget, until in zip(_FORGET_OLD, (told_until, intended_until), strict=True):
        await connection.execute(forget, cluster, until)


_COLUMNS = "id::text, cluster, api_version, kind, namespace, name, uid, base, generation, at, body"
_OF_WORKLOAD = """
    cluster = $1 AND api_version = $2 AND kind = $3 AND namespace = $4 AND name = $5
"""
_UNSEEN = f"""
    SELECT {_COLUMNS},
        EXISTS (SELECT FROM trigger_told WHERE {_OF_WORKLOAD} AND uid = one.uid
                AND (base = one.base OR generation > one.generation AND generation < $6))
        OR EXISTS (SELECT FROM trigger_intents WHERE {_OF_WORKLOAD} AND uid = one.uid
                   AND generation > one.generation AND generation < $6)
    FROM trigger_intents one WHERE {_OF_WORKLOAD} AND NOT is_seen
"""


async def load_intents(connection: Connection, key: Key, generation: int) -> list[StoredIntent]:
    """Those of one workload that are not seen, for a look at this generation."""
    rows = await connection.fetch(_UNSEEN, *key, generation)
    return [_from_row(row) for row in rows]


_SEEN = f"""
    SELECT {_COLUMNS} FROM trigger_intents
    WHERE cluster = $1 AND at <= $2 AND is_seen ORDER BY at LIMIT $3
"""


async def load_seen_intents(
    connection: Connection, cluster: str, until: datetime, limit: int = 500
) -> list[StoredIntent]:
    """Those that the cluster showed done and nobody told, written until then, the oldest first."""
    return [_from_row(row) for row in await connection.fetch(_SEEN, cluster, until, limit)]


# By chance: workloads that nobody can look at must not be in the way of others.
_LEFT_OVER = f"""
    SELECT {_COLUMNS} FROM trigger_intents
    WHERE cluster = $1 AND at <= $2 AND NOT is_seen ORDER BY random() LIMIT $3
"""


async def load_unseen_intents(
    connection: Connection, cluster: str, until: datetime, limit: int = 50
) -> list[StoredIntent]:
    """Some of those that nobody told or saw done, written until then."""
    return [_from_row(row) for row in await connection.fetch(_LEFT_OVER, cluster, until, limit)]


_SEE = "UPDATE trigger_intents SET is_seen = true WHERE id = ANY ($1::uuid[])"


async def note_seen(connection: Connection, ids: Collection[str]) -> None:
    """Note that the cluster shows them done."""
    await connection.execute(_SEE, list(ids))


def _columns(state: PatchedState) -> tuple[str | int, ...]:
    return (*state.key, state.uid, state.base, state.generation)


def _state(values: Sequence[object]) -> PatchedState:
    cluster, api_version, kind, namespace, name, *rest = values
    return PatchedState((cluster, api_version, kind, namespace, name), *rest)  # type: ignore[arg-type]


def _from_row(row: Row) -> StoredIntent:
    id_, *values = row.values()
    return StoredIntent(id_, _state(values[:8]), *values[8:])
