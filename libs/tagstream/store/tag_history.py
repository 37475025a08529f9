"""A tag's history as it is told: who moved it, when, why, from what to what.

Owns the queries and the pages. How items become moves is in tag_moves.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.store.database import Connection, Row
from tagstream.store.tag_moves import Act, HistoryItem, Move, find_meaning, list_moves

# An image counts as one the tag goes back to if it is among so many items below the page.
_LOOK_BACK = 100
# Streams that were deleted and made again under one name, newest first.
_MOST_STREAMS = 50


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the next one begins below this item."""

    stream: str
    seq: int


@dataclass(frozen=True, slots=True)
class TagTimeline:
    """A page of a tag's moves, newest first, across all streams that had the name.

    `current` is what the tag means now, on the first page; None when it means nothing.
    `stream_exists` is False when only deleted streams had that name; `earlier_streams` is how
    many deleted ones did, whether or not they had the tag. `older` is None on the last page.
    """

    namespace: str
    stream: str
    tag: str
    stream_exists: bool
    earlier_streams: int
    current: HistoryItem | None
    moves: tuple[Move, ...]
    older: Cursor | None


_STREAMS = """
    SELECT uid::text, NULL AS deleted_after, version FROM streams
    WHERE namespace = $1 AND name = $2
    UNION ALL
    SELECT uid::text, version AS deleted_after, version FROM former_streams
    WHERE namespace = $1 AND name = $2
    ORDER BY version DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class _Stream:
    """One that has the name, or had it; `deleted_after` as `list_moves` takes it."""

    uid: str
    deleted_after: int | None


async def load_tag_history(
    connection: Connection,
    namespace: str,
    stream: str,
    tag: str,
    *,
    limit: int = 50,
    before: Cursor | None = None,
) -> TagTimeline | None:
    """A page of about `limit` moves; None when no stream of that name ever had an image there.

    Reads in two statements, so use it in a snapshot.
    """
    streams = await _load_streams(connection, namespace, stream)
    items, is_last = await _load_items(connection, streams, tag, limit, before)
    moves = [move for move in _all_moves(streams, items) if _is_below(move, before)]
    if not is_last and len(moves) > 1:
        moves.pop()  # What it came from was not loaded.
    page = _page(moves, limit)
    if not page and before is None:
        return None
    is_end = is_last and len(page) == len(moves)
    exists = bool(streams) and streams[0].deleted_after is None
    return TagTimeline(
        namespace,
        stream,
        tag,
        stream_exists=exists,
        earlier_streams=len(streams) - exists,
        current=page[0].new if page and before is None else None,
        moves=tuple(page),
        older=None if is_end else _cursor(page, items),
    )


async def _load_streams(connection: Connection, namespace: str, name: str) -> list[_Stream]:
    """Newest first."""
    rows = await connection.fetch(_STREAMS, namespace, name, _MOST_STREAMS)
    return [_Stream(row["uid"], row["deleted_after"]) for row in rows]


# The item that the page before ended with is read again: what came after it is told by it.
# A release that did not keep them may have trimmed a command: its item still tells the rest.
_ITEMS = """
    SELECT i.stream::text, i.seq, i.created, i.image, i.reference, i.generation,
           i.command::text AS made_by, coalesce(m.position, i.seq) AS made_position,
           coalesce(m.at, i.created) AS made_at, coalesce(m.kind, '') AS made_kind,
           i.actor AS made_actor, i.cause AS made_cause,
           r.id::text AS retired_by, r.position AS retired_position, r.at AS retired_at,
           r.kind AS retired_kind, r.actor AS retired_actor, r.cause AS retired_cause
    FROM unnest($1::uuid[]) WITH ORDINALITY AS s (uid, place)
    CROSS JOIN LATERAL (
        SELECT * FROM tag_items t
        WHERE t.stream = s.uid AND t.tag = $2 AND (t.seq <= $3 OR s.place > 1)
        ORDER BY t.seq DESC LIMIT $4) i
    LEFT JOIN known_commands m ON m.id = i.command
    LEFT JOIN known_commands r ON r.id = i.retired_by
    ORDER BY s.place, i.seq DESC LIMIT $4
"""
_HIGHEST = 2**63 - 1


async def _load_items(
    connection: Connection, streams: Sequence[_Stream], tag: str, limit: int, before: Cursor | None
) -> tuple[list[HistoryItem], bool]:
    """Items newest first, more than a page of them; and whether that is all there are."""
    uids = [stream.uid for stream in streams]
    if before is not None:
        uids = uids[uids.index(before.stream) :] if before.stream in uids else []
    seq = before.seq if before is not None else _HIGHEST
    count = limit + 1 + _LOOK_BACK
    rows = await connection.fetch(_ITEMS, uids, tag, seq, count)
    return [_item(row) for row in rows], len(rows) < count


def _item(row: Row) -> HistoryItem:
    return HistoryItem(
        row["stream"],
        row["seq"],
        row["created"],
        row["image"],
        row["reference"],
        row["generation"],
        made=_act(row, "made"),
        retired=_act(row, "retired") if row["retired_by"] is not None else None,
    )


def _act(row: Row, what: str) -> Act:
    return Act(
        row[f"{what}_by"],
        row[f"{what}_position"],
        row[f"{what}_at"],
        row[f"{what}_kind"],
        row[f"{what}_actor"],
        row[f"{what}_cause"],
    )


def _all_moves(streams: Sequence[_Stream], items: Sequence[HistoryItem]) -> Iterator[Move]:
    for stream in streams:
        own = [item for item in items if item.stream == stream.uid]
        yield from list_moves(own, stream.deleted_after)


def _is_below(move: Move, before: Cursor | None) -> bool:
    if before is None or move.item.stream != before.stream:
        return True
    return move.item.seq < before.seq


def _page(moves: Sequence[Move], limit: int) -> list[Move]:
    """The first `limit` moves, and on to one that a cursor can name."""
    end = min(limit, len(moves))
    while end < len(moves) and not moves[end - 1].is_arrival:
        end += 1
    return list(moves[:end])


def _cursor(page: Sequence[Move], items: Sequence[HistoryItem]) -> Cursor | None:
    if page and page[-1].is_arrival:
        return Cursor(page[-1].item.stream, page[-1].item.seq)
    return Cursor(items[-1].stream, items[-1].seq) if items else None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tag meant at a moment: what `since` made it mean, until the move `until`, which is
    None when it still does. Without `since` it had no item yet; `until` is then its first move."""

    since: Move | None
    until: Move | None


# The first item that came after a moment, of the oldest stream that has one: the move that ended
# what is asked for.
_FIRST_AFTER = """
    SELECT s.uid::text AS stream, i.seq
    FROM unnest($1::uuid[]) WITH ORDINALITY AS s (uid, place)
    CROSS JOIN LATERAL (
        SELECT t.seq FROM tag_items t LEFT JOIN known_commands m ON m.id = t.command
        WHERE t.stream = s.uid AND t.tag = $2 AND coalesce(m.at, t.created) > $3
        ORDER BY t.seq LIMIT 1) i
    ORDER BY s.place DESC LIMIT 1
"""
_PAGE = 50


async def load_meaning(
    connection: Connection, namespace: str, stream: str, tag: str, at: datetime
) -> Meaning | None:
    """What the tag meant at a moment; None when it never had an item. Use it in a snapshot."""
    streams = await _load_streams(connection, namespace, stream)
    first = await connection.fetchrow(_FIRST_AFTER, [one.uid for one in streams], tag, at)
    before = Cursor(first["stream"], first["seq"] + 1) if first is not None else None
    until: Move | None = None
    while True:
        page = await load_tag_history(
            connection, namespace, stream, tag, limit=_PAGE, before=before
        )
        if page is None:
            return None
        since, after = find_meaning(page.moves, at)
        until = after or until
        if since is not None or page.older is None:
            return Meaning(since, until)
        before = page.older


_NAMES = """
    SELECT name FROM streams WHERE namespace = $1 UNION
    SELECT name FROM former_streams WHERE namespace = $1 ORDER BY name LIMIT $2
"""
_TAGS = """
    SELECT t.tag FROM streams s JOIN spec_tags t ON t.stream = s.uid
    WHERE s.namespace = $1 AND s.name = $2
    UNION
    SELECT t.tag FROM (
        SELECT uid FROM streams WHERE namespace = $1 AND name = $2 UNION
        SELECT uid FROM former_streams WHERE namespace = $1 AND name = $2) s
    JOIN tag_items t ON t.stream = s.uid
    ORDER BY tag LIMIT $3
"""
_MOST_NAMES = 5000


async def list_told_streams(connection: Connection, namespace: str) -> list[str]:
    """Names of the namespace's streams, deleted ones too: what `load_tag_history` may know."""
    rows = await connection.fetch(_NAMES, namespace, _MOST_NAMES)
    return [row["name"] for row in rows]


async def list_told_tags(connection: Connection, namespace: str, stream: str) -> list[str]:
    """Tags that a stream of this name has, or had."""
    rows = await connection.fetch(_TAGS, namespace, stream, _MOST_NAMES)
    return [row["tag"] for row in rows]
