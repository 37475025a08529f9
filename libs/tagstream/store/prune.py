"""Removing what is marked (prune_marks.py), after a second look with everything locked; and runs.

Locks go streams, images, journal, as everywhere. A stream's items are looked at again under the
stream's lock, and workloads that came meanwhile are read under the journal's; an image is looked
at again under its own lock, which whoever tags an image takes too (images.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection, Row
from tagstream.store.images import StoredImage
from tagstream.store.prune_items import ItemRules, decide_items_sql
from tagstream.store.prune_marks import PINNED

_LIVE_OF_MARKED = """
    SELECT m.tag, (SELECT count(*) FROM tag_items i
                   WHERE i.stream = $1 AND i.tag = m.tag AND i.retired_by IS NULL) AS live
    FROM (SELECT DISTINCT tag FROM prune_items WHERE stream = $1 AND tag > $2) m
    ORDER BY m.tag LIMIT $3
"""
_MOST_TAGS = 500


async def next_marked_tags(
    connection: Connection, stream: str, after: str, most_items: int
) -> list[str]:
    """The next marked tags of a stream, as many as have together `most_items` live items; at
    least one if there is any."""
    tags: list[str] = []
    total = 0
    for row in await connection.fetch(_LIVE_OF_MARKED, stream, after, _MOST_TAGS):
        total += row["live"]
        if tags and total > most_items:
            break
        tags.append(row["tag"])
    return tags


@dataclass(frozen=True, slots=True)
class RemovableItem:
    """An item by its tag, its place in the history (0 is the head) and its number."""

    tag: str
    place: int
    seq: int
    image: str


_OF_TAGS = "AND i.stream = $3 AND i.tag = ANY ($4)"
_STILL_REMOVABLE = """
    SELECT d.tag, d.place, d.seq, d.image FROM ({decided}) d
    JOIN prune_items m ON m.stream = d.stream AND m.tag = d.tag AND m.seq = d.seq
    WHERE d.goes ORDER BY d.tag, d.place
"""


async def load_removable(
    connection: Connection, stream: str, tags: Sequence[str], rules: ItemRules
) -> list[RemovableItem]:
    """The marked items of a locked stream that still may go, by today's histories and by the limits
    that the marks know."""
    look = _STILL_REMOVABLE.format(decided=decide_items_sql(_OF_TAGS, rules.over_size_limit))
    rows = await connection.fetch(look, rules.threshold, rules.keep_revisions, stream, list(tags))
    return [RemovableItem(*row) for row in rows]


_LOCK_HEAD = "SELECT position FROM journal_head FOR UPDATE"


async def lock_journal(connection: Connection) -> int:
    """Holds the journal until the commit: from here on nobody else's change appears."""
    position: int = await connection.fetchval(_LOCK_HEAD)
    return position


# In the order of digests, as whoever stores or tags images locks them.
_LOCK_IMAGES = """
    SELECT digest FROM images WHERE digest = ANY ($1) ORDER BY digest FOR UPDATE
"""
_UNUSED = f"""
    SELECT m.digest, m.uid::text, m.version, m.created_at, m.metadata, m.body FROM images m
    WHERE m.digest = ANY ($1) AND m.created_at <= $2
      AND ($3 OR m.metadata #>> '{{annotations,openshift.io/image.managed}}' = 'true')
      AND NOT EXISTS (SELECT FROM tag_items i
                      WHERE i.image = m.digest AND i.retired_by IS NULL AND i.image <> '')
      AND NOT EXISTS (SELECT FROM ({PINNED}) p WHERE p.image = m.digest)
      AND NOT EXISTS (
        SELECT FROM images l
        WHERE l.body ? 'dockerImageManifests'
          AND jsonb_path_query_array(l.body, '$.dockerImageManifests[*].digest') ? m.digest
          AND (EXISTS (SELECT FROM tag_items i
                       WHERE i.image = l.digest AND i.retired_by IS NULL AND i.image <> '')
               OR EXISTS (SELECT FROM ({PINNED}) p WHERE p.image = l.digest)))
    ORDER BY m.digest
"""


async def lock_unused(
    connection: Connection, digests: Sequence[str], threshold: datetime, all_images: bool
) -> list[StoredImage]:
    """Locks images and gives those that nothing uses now, by digest.

    Two statements: the second sees what those committed who held a lock that the first waited for.
    """
    await connection.fetch(_LOCK_IMAGES, list(digests))
    rows = await connection.fetch(_UNUSED, list(digests), threshold, all_images)
    return [StoredImage(*row) for row in rows]


_NOW = "SELECT clock_timestamp()"
_OLDER = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'tagstream-%'
      AND pid <> pg_backend_pid() AND xact_start < $1
"""


async def load_clock(connection: Connection) -> datetime:
    """The database's own clock."""
    now: datetime = await connection.fetchval(_NOW)
    return now


async def count_older_transactions(connection: Connection, moment: datetime) -> int:
    """Transactions of ours that began before a moment of the database's clock and still run: they
    may have read a history as it was then, and be about to tag an image out of it."""
    count: int = await connection.fetchval(_OLDER, moment)
    return count


@dataclass(frozen=True, slots=True)
class PruneRun:
    """A run as it is kept. `error` is why it was refused or failed; figures are of deletions."""

    id: str
    origin: str
    scheduled_for: datetime | None
    rules: Mapping[str, object]
    started_at: datetime
    finished_at: datetime | None
    streams: int
    items: int
    images: int
    error: str


_RUN = """id::text, origin, scheduled_for, rules, started_at, finished_at, streams, items, images,
    error"""
_START = f"""
    INSERT INTO prune_runs (id, origin, scheduled_for, rules, started_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING {_RUN}
"""
_FORGET = "DELETE FROM prune_runs WHERE started_at < $1"
_OPEN = f"""
    SELECT {_RUN} FROM prune_runs WHERE origin = 'schedule' AND finished_at IS NULL
    ORDER BY started_at LIMIT 1
"""
_LAST = f"""
    SELECT {_RUN} FROM prune_runs WHERE origin = 'schedule'
    ORDER BY scheduled_for DESC LIMIT 1
"""
_ADD = """
    UPDATE prune_runs SET streams = streams + $2, items = items + $3, images = images + $4
    WHERE id = $1
"""
_FINISH = f"""
    UPDATE prune_runs SET finished_at = $2, error = $3 WHERE id = $1 AND finished_at IS NULL
    RETURNING {_RUN}
"""


async def start_run(
    connection: Connection,
    run_id: str,
    rules: Mapping[str, object],
    now: datetime,
    scheduled_for: datetime | None = None,
) -> PruneRun | None:
    """Notes a run, scheduled or (without a time) commanded; None when that time had its run."""
    origin = "command" if scheduled_for is None else "schedule"
    row = await connection.fetchrow(_START, run_id, origin, scheduled_for, dict(rules), now)
    return _run_from_row(row) if row is not None else None


async def forget_runs(connection: Connection, before: datetime) -> None:
    """Drops runs that began before a moment."""
    await connection.execute(_FORGET, before)


async def load_open_run(connection: Connection) -> PruneRun | None:
    """The scheduled run that has not ended: its process may have died."""
    row = await connection.fetchrow(_OPEN)
    return _run_from_row(row) if row is not None else None


async def load_last_run(connection: Connection) -> PruneRun | None:
    """The scheduled run of the latest time."""
    row = await connection.fetchrow(_LAST)
    return _run_from_row(row) if row is not None else None


async def add_removed(
    connection: Connection, run_id: str, *, streams: int = 0, items: int = 0, images: int = 0
) -> None:
    """Counts what a transaction removes, in that transaction."""
    await connection.execute(_ADD, run_id, streams, items, images)


async def finish_run(
    connection: Connection, run_id: str, now: datetime, error: str = ""
) -> PruneRun | None:
    """Ends a run with its figures; None when it had ended before."""
    row = await connection.fetchrow(_FINISH, run_id, now, error)
    return _run_from_row(row) if row is not None else None


def _run_from_row(row: Row) -> PruneRun:
    return PruneRun(*row.values())
