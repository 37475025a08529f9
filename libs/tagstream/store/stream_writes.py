"""Writing image streams: rows, journal and facts together, from a value before and one after.

Whoever changes a stream (api or tag-tracker) calls `create_stream`, `save_stream` or
`delete_stream` with what a pure decision returned; which facts that means is worked out here, so
that no path can forget one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tagstream.events.stream_facts import stream_facts
from tagstream.store.journal import Change, Transaction
from tagstream.streams.delta import HistoryChange, SpecChange, StreamDelta, diff
from tagstream.streams.image_stream import ImageStream, TagReference
from tagstream.streams.item_plan import plan_items
from tagstream.streams.json_form import (
    journal_delta,
    metadata_to_json,
    reference_to_json,
)
from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.streams.sources import followed_tag
from tagstream.streams.stream_commands import blank_stream, emptied
from tagstream.streams.tags import will_move_again

GROUP = "image.openshift.io"
RESOURCE = "imagestreams"

_INSERT = """
    INSERT INTO streams (uid, namespace, name, version, generation, created_at, lookup_local,
                         repository, metadata, labels)
    VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9)
"""
_UPDATE = """
    UPDATE streams SET generation = $2, lookup_local = $3, repository = $4, metadata = $5,
                       labels = $6
    WHERE uid = $1
"""
_DELETE = "DELETE FROM streams WHERE uid = $1"
_RETIRE_ALL = "UPDATE tag_items SET retired_by = $2 WHERE stream = $1 AND retired_by IS NULL"


async def create_stream(tx: Transaction, stream: ImageStream, internal_registry: str) -> Change:
    """Stores a new stream. Its rows have no version until the journal stamps them."""
    await tx.connection.execute(
        _INSERT,
        stream.uid,
        stream.namespace,
        stream.name,
        stream.generation,
        stream.created_at,
        stream.lookup_local,
        stream.docker_image_repository,
        metadata_to_json(stream.metadata),
        dict(stream.metadata.labels),
    )
    blank = blank_stream(stream)
    delta = diff(blank, stream)
    await _write_tags(tx, stream, delta)
    change = _record(tx, stream, delta, "ADDED")
    _emit(tx, blank, stream, internal_registry)
    return change


async def save_stream(
    tx: Transaction, before: ImageStream, after: ImageStream, internal_registry: str
) -> Change | None:
    """Stores what differs between two values of one locked stream, loaded alike; None when
    nothing does, and then nothing is written at all."""
    delta = diff(before, after)
    if not delta:
        return None
    if delta.header_before != delta.header_after:
        await tx.connection.execute(
            _UPDATE,
            after.uid,
            after.generation,
            after.lookup_local,
            after.docker_image_repository,
            metadata_to_json(after.metadata),
            dict(after.metadata.labels),
        )
    await _write_tags(tx, after, delta)
    change = _record(tx, after, delta, "MODIFIED")
    _emit(tx, before, after, internal_registry)
    return change


async def delete_stream(tx: Transaction, stream: ImageStream, internal_registry: str) -> Change:
    """Removes a whole-loaded, locked stream. Its tag items are retired, not deleted."""
    blank = emptied(stream)
    delta = diff(stream, blank)
    await tx.connection.execute(_RETIRE_ALL, stream.uid, tx.command.id)
    await tx.connection.execute(_DELETE, stream.uid)
    change = _record(tx, stream, delta, "DELETED")
    _emit(tx, stream, blank, internal_registry)
    return change


_RETIRE = """
    UPDATE tag_items SET retired_by = $4
    FROM unnest($2::text[], $3::bigint[]) AS gone (tag, seq)
    WHERE stream = $1 AND tag_items.tag = gone.tag AND tag_items.seq = gone.seq
"""


async def shorten_stream(
    tx: Transaction,
    before: ImageStream,
    after: ImageStream,
    gone: Sequence[tuple[str, int]],
    internal_registry: str,
) -> Change:
    """Stores that items were taken out of histories, anywhere in them: `gone` are their tags and
    numbers (`seq`). Unlike `save_stream` it leaves the rows of the other items as they are, with
    whoever made them."""
    delta = diff(before, after)
    tags = [tag for tag, _ in gone]
    numbers = [number for _, number in gone]
    await tx.connection.execute(_RETIRE, after.uid, tags, numbers, tx.command.id)
    await _write_conditions(tx, after.uid, delta.status.items())
    change = _record(tx, after, delta, "MODIFIED")
    _emit(tx, before, after, internal_registry)
    return change


def _record(tx: Transaction, stream: ImageStream, delta: StreamDelta, kind: str) -> Change:
    change = Change(
        GROUP,
        RESOURCE,
        stream.namespace,
        stream.name,
        stream.uid,
        kind,  # type: ignore[arg-type]
        stream.version,
        delta=journal_delta(stream, delta),
    )
    tx.record(change)
    return change


_PUT_SPEC = """
    INSERT INTO spec_tags (stream, tag, generation, follows, scheduled, body)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (stream, tag) DO UPDATE SET generation = excluded.generation,
        follows = excluded.follows, scheduled = excluded.scheduled, body = excluded.body
"""
_DELETE_SPEC = "DELETE FROM spec_tags WHERE stream = $1 AND tag = ANY ($2)"


async def _write_tags(tx: Transaction, stream: ImageStream, delta: StreamDelta) -> None:
    await _write_spec(tx, stream, delta.spec.items())
    await _write_items(tx, stream.uid, delta)
    await _write_conditions(tx, stream.uid, delta.status.items())


async def _write_spec(
    tx: Transaction, stream: ImageStream, changes: Collection[tuple[str, SpecChange]]
) -> None:
    gone = [tag for tag, change in changes if change.after is None]
    rows = [_spec_row(stream, change.after) for _, change in changes if change.after is not None]
    if gone:
        await tx.connection.execute(_DELETE_SPEC, stream.uid, gone)
    await _execute_many(tx, _PUT_SPEC, rows)


def _spec_row(stream: ImageStream, ref: TagReference) -> tuple[object, ...]:
    return (
        stream.uid,
        ref.name,
        ref.generation,
        followed_tag(stream.namespace, stream.name, ref),
        will_move_again(stream, ref.name),
        reference_to_json(ref),
    )


_RETIRE_TOP = """
    UPDATE tag_items SET retired_by = $4 WHERE (stream, tag, seq) IN (
        SELECT stream, tag, seq FROM tag_items
        WHERE stream = $1 AND tag = $2 AND retired_by IS NULL ORDER BY seq DESC LIMIT $3)
"""
_PUSH = """
    INSERT INTO tag_items (stream, tag, seq, created, reference, image, generation, actor, cause,
                           command)
    SELECT $1, $2, coalesce(max(seq), 0) + 1, $3, $4, $5, $6, $7, $8, $9
    FROM tag_items WHERE stream = $1 AND tag = $2
"""
_REGENERATE = """
    UPDATE tag_items SET generation = $3 WHERE (stream, tag, seq) IN (
        SELECT stream, tag, seq FROM tag_items
        WHERE stream = $1 AND tag = $2 AND retired_by IS NULL ORDER BY seq DESC LIMIT 1)
"""


async def _write_items(tx: Transaction, uid: str, delta: StreamDelta) -> None:
    command, plan = tx.command, plan_items(delta)
    for tag, generation in plan.regenerate:
        await tx.connection.execute(_REGENERATE, uid, tag, generation)
    for tag, count in plan.retire:
        await tx.connection.execute(_RETIRE_TOP, uid, tag, count, command.id)
    rows = [
        (
            uid,
            tag,
            event.created,
            event.docker_image_reference,
            event.image,
            event.generation,
            command.actor,
            command.cause,
            command.id,
        )
        for tag, event in plan.push
    ]
    await _execute_many(tx, _PUSH, rows)


_CLEAR_CONDITIONS = "DELETE FROM tag_conditions WHERE stream = $1 AND tag = ANY ($2)"
_PUT_CONDITION = """
    INSERT INTO tag_conditions (stream, tag, type, status, reason, message, generation,
                                transitioned_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def _write_conditions(
    tx: Transaction, uid: str, changes: Collection[tuple[str, HistoryChange]]
) -> None:
    changed = {t: c for t, c in changes if c.conditions_before != c.conditions_after}
    cleared = [tag for tag, change in changed.items() if change.conditions_before]
    if cleared:
        await tx.connection.execute(_CLEAR_CONDITIONS, uid, cleared)
    rows = [
        (uid, tag, c.type, c.status, c.reason, c.message, c.generation, c.last_transition_time)
        for tag, change in changed.items()
        for c in change.conditions_after
    ]
    await _execute_many(tx, _PUT_CONDITION, rows)


async def _execute_many(tx: Transaction, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """One round trip however many rows; `executemany` costs more than `execute` for one."""
    if len(rows) == 1:
        await tx.connection.execute(sql, *rows[0])
    elif rows:
        await tx.connection.executemany(sql, rows)


def _emit(tx: Transaction, before: ImageStream, after: ImageStream, internal_registry: str) -> None:
    if internal_registry != INTERNAL_REGISTRY:
        # What a replay cannot know otherwise.
        tx.say({"internalRegistry": internal_registry})
    for fact in stream_facts(before, after, internal_registry):
        tx.emit(fact)
