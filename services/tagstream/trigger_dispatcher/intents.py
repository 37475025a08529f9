"""What is about to be patched, noted before it is, so that a patch is told even when its process
dies before it could.

A patch holds for one generation of a workload only, so of all that are noted for a generation at
most one is made, and what the cluster shows afterwards says which. Whoever reads a workload from
the cluster marks what it shows done, before anybody patches it further; notes that nobody took
with a record of theirs are told by the sweep.

Owns the notes and their end; telling is `record`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import structlog

from tagstream.errors import NotFound, Upstream
from tagstream.store import trigger_intents
from tagstream.store.database import Connection
from tagstream.store.trigger_intents import StoredIntent
from tagstream.store.workload_triggers import Key
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.index import to_row
from tagstream.trigger_dispatcher.matching import Reaction, Workload, parse_workload
from tagstream.trigger_dispatcher.record import (
    fired_reaction,
    record_left_over,
)
from tagstream.trigger_dispatcher.targets import target_of

# Who is alive has recorded its patch by then, or not heard of it from the cluster.
_LEFT_OVER_AFTER = timedelta(seconds=10)
# Longer than a request to the cluster may take: what is not done by now never will be.
_NEVER_AFTER = timedelta(seconds=60)
# A process that works with what it knew before a patch was told may come this much later.
_REMEMBERED = timedelta(minutes=5)
_IDS = uuid.UUID("0b0f6f6e-2f0a-5c0e-9d0e-3a1c6f8e7d21")

_log = structlog.get_logger(__name__)


async def intend(deps: Deps, workload: Workload, reaction: Reaction, cause: Cause) -> str:
    """Note what is about to be done to the workload; the id of the note."""
    row = to_row(workload)
    images = [
        [one.image.list_name, one.image.container, one.image.new_image] for one in reaction.changes
    ]
    parts = (*row.key, row.uid, str(workload.generation), *(part for one in images for part in one))
    # Without a generation the same may have to be done again.
    is_unique = workload.generation > 0
    intent = StoredIntent(
        id=str(uuid.uuid5(_IDS, "\n".join(parts))) if is_unique else deps.new_id(),
        key=row.key,
        uid=row.uid,
        generation=workload.generation,
        at=deps.clock(),
        body={
            "images": images,
            "reaction": fired_reaction(workload, reaction.changes).to_json(),
            "cause": [cause.text, cause.event_id, cause.traceparent],
        },
    )
    await deps.intending.add(intent, lambda all_: _save(deps, all_))
    return intent.id


async def _save(deps: Deps, intents: Sequence[StoredIntent]) -> list[None]:
    async with deps.database.connection() as connection:
        by_id = {intent.id: intent for intent in intents}
        await trigger_intents.save_intents(connection, list(by_id.values()))
    return [None] * len(intents)


def is_done(intent: StoredIntent, workload: Workload) -> bool:
    """Whether the workload, as the cluster shows it, is as the patch leaves it."""
    if intent.is_overtaken or intent.uid != workload.uid:
        return False
    if 0 < workload.generation <= intent.generation:
        return False
    held = {(one.list_name, one.name): one.image for one in workload.containers}
    images = cast("list[list[str]]", intent.body["images"])
    return all(held.get((list_name, name)) == image for list_name, name, image in images)


async def note_what_shows(connection: Connection, workload: Workload) -> None:
    """Mark the notes that the workload, just read from the cluster, shows done, and drop those of
    an earlier generation that it does not: nobody can do them any more."""
    key = to_row(workload).key
    intents = await trigger_intents.load_intents(connection, key, workload.generation)
    done = [one.id for one in intents if is_done(one, workload)]
    never = [o.id for o in intents if o.id not in done and o.generation < workload.generation]
    if done:
        await trigger_intents.note_seen(connection, done)
    if never:
        await trigger_intents.forget_intents(connection, never)


async def sweep_intents(deps: Deps) -> None:
    """Tell the patches that were made by processes which died before they told them.

    Raises Unavailable when Postgres is away; a cluster that is away is asked again later.
    """
    now = deps.clock()
    async with deps.database.connection() as connection:
        await trigger_intents.forget_told_intents(connection, deps.cluster, now - _REMEMBERED)
    unseen = sorted({one.key for one in await _left_over(deps, now) if not one.is_seen})
    looked_at = {key for key in unseen if await _look(deps, key)}
    for intent in await _left_over(deps, now):
        if intent.is_seen:
            await record_left_over(deps, intent)
        elif intent.key in looked_at and intent.at <= now - _NEVER_AFTER:
            async with deps.database.connection() as connection:
                await trigger_intents.forget_intents(connection, [intent.id])


async def _left_over(deps: Deps, now: datetime) -> list[StoredIntent]:
    async with deps.database.connection() as connection:
        return await trigger_intents.load_old_intents(
            connection, deps.cluster, now - _LEFT_OVER_AFTER
        )


async def _look(deps: Deps, key: Key) -> bool:
    """Whether the cluster answered."""
    _, api_version, kind, namespace, name = key
    try:
        body = await deps.kube.get(target_of(api_version, kind).resource, namespace, name)
    except NotFound:
        return True
    except Upstream as error:
        _log.warning("left over patch not looked at", workload=name, error=str(error))
        return False
    async with deps.database.connection() as connection:
        await note_what_shows(connection, parse_workload(deps.cluster, body))
    return True
