"""Facts as somebody reads them who looks back: the newest first, of some namespaces or of all.

The relay and live readers go forwards, with outbox.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """One fact as the journal keeps it. `data` is its proto3 JSON."""

    position: int
    number: int
    type: str
    at: datetime
    data: Mapping[str, object]


# Facts have no index by namespace: only the newest are looked through, so that a namespace where
# nothing happens costs no more than a busy one.
_RECENT = """
    SELECT f.position, f.number, f.type, f.at, f.data
    FROM (SELECT * FROM facts ORDER BY position DESC, number DESC LIMIT $1) f
    LEFT JOIN unnest($2::text[], $3::timestamptz[]) AS v (namespace, since)
        ON v.namespace = f.data ->> 'namespace'
    WHERE ($2::text[] IS NULL OR f.at >= v.since)
      AND ($4 = '' OR f.data ->> 'namespace' = $4) AND ($5 = '' OR f.data ->> 'stream' = $5)
    ORDER BY f.position DESC, f.number DESC
"""
_OLDER = "SELECT EXISTS (SELECT FROM facts ORDER BY position DESC, number DESC OFFSET $1)"
_AT_ONCE = 500


async def list_recent_facts(
    connection: Connection,
    births: Mapping[str, datetime] | None,
    may_see: Callable[[RecordedFact], bool],
    *,
    namespace: str = "",
    stream: str = "",
    look_back: int,
    limit: int,
) -> tuple[list[RecordedFact], bool]:
    """The newest facts of the last `look_back` ones, newest first, and whether there are older
    ones that had to be left out to find so many; use it in a transaction.

    `births` are the namespaces that may be seen, each from a time on; None means all facts. Of
    those, `may_see` chooses before they are counted.
    """
    names = None if births is None else list(births)
    times = None if births is None else list(births.values())
    cursor = await connection.cursor(_RECENT, look_back, names, times, namespace, stream)
    found: list[RecordedFact] = []
    while len(found) < limit and (rows := await cursor.fetch(_AT_ONCE)):
        found += filter(may_see, (RecordedFact(*row.values()) for row in rows))
    is_cut = len(found) < limit and await connection.fetchval(_OLDER, look_back)
    return found[:limit], is_cut
