"""What is about to be patched, noted before it is, so that a patch is told even when its process
dies before it could.

A patch holds for one state of a workload only, so of all that try to patch it one succeeds. Who
has the cluster's answer tells the patch and drops the note; the others drop theirs. Whoever reads a
workload from the cluster marks the notes that it shows done, before anybody patches it further;
what nobody told within a while is told by the sweep.

Owns the notes and their end; telling is `record`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from tagstream.errors import NotFound, TagstreamError, Upstream
from tagstream.kube.errors import Uncertain
from tagstream.store import trigger_intents
from tagstream.store.database import Connection
from tagstream.store.trigger_intents import PatchedState, StoredIntent
from tagstream.store.workload_triggers import Key
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.index import to_row
from tagstream.trigger_dispatcher.matching import Change, Reaction, Workload, parse_workload
from tagstream.trigger_dispatcher.record import fired_reaction, record_left_over
from tagstream.trigger_dispatcher.targets import target_of

# Who is alive has recorded its patch by then, or not heard of it from the cluster.
_LEFT_OVER_AFTER = timedelta(seconds=10)
# A request to the cluster and its repetition take a minute at most.
_NEVER_AFTER = timedelta(minutes=2)
# What the cluster does not let us look at for so long is not told.
_GIVEN_UP_AFTER = timedelta(minutes=20)
# Longer than that, and than a resync that works with what it knew before.
_REMEMBERED = timedelta(minutes=30)
_LOOKS_AT_ONCE = 8
_SERVER_ERRORS = 500

_log = structlog.get_logger(__name__)


async def intend(deps: Deps, workload: Workload, reaction: Reaction, cause: Cause) -> StoredIntent:
    """Note what is about to be done to the workload."""
    key = to_row(workload).key
    # A cluster that does not count generations names states by versions.
    base = str(workload.generation or f"version {workload.resource_version}")
    intent = StoredIntent(
        id=deps.new_id(),
        state=PatchedState(key, workload.uid, base, workload.generation),
        at=deps.clock(),
        body={
            "images": images_after(workload, reaction.changes),
            "reaction": fired_reaction(workload, reaction.changes).to_json(),
            "cause": [cause.text, cause.event_id, cause.traceparent],
        },
    )
    await deps.intending.add(intent, lambda all_: _save(deps, all_))
    return intent


async def _save(deps: Deps, intents: Sequence[StoredIntent]) -> list[None]:
    async with deps.database.connection() as connection:
        await trigger_intents.save_intents(connection, intents)
    return [None] * len(intents)


async def drop_unless_done(deps: Deps, intent: StoredIntent, error: TagstreamError) -> None:
    """Drop the note of a patch that failed, unless it may have been made all the same."""
    if isinstance(error, Uncertain):
        return
    if isinstance(error, Upstream) and not 0 < error.code < _SERVER_ERRORS:
        return
    async with deps.database.connection() as connection:
        await trigger_intents.forget_intents(connection, [intent.id])


def images_after(workload: Workload, changes: Sequence[Change]) -> list[list[str]]:
    """All images of the workload with the changes made, each as its list, container and image."""
    new = {(one.image.list_name, one.image.container): one.image.new_image for one in changes}
    return [
        [one.list_name, one.name, new.get((one.list_name, one.name), one.image)]
        for one in workload.containers
    ]


def is_done(intent: StoredIntent, workload: Workload) -> bool:
    """Whether the workload, as the cluster shows it, is as the patch left it, in every image."""
    state = intent.state
    if intent.is_overtaken or state.uid != workload.uid:
        return False
    if 0 < workload.generation <= state.generation:
        return False
    return images_after(workload, ()) == intent.body["images"]


async def note_what_shows(connection: Connection, workload: Workload) -> None:
    """Mark the notes that the workload, just read from the cluster, shows done, and drop those for
    an earlier state that it does not.

    Whoever changes the index in the same transaction does so before: all take locks in that order.
    """
    key = to_row(workload).key
    intents = await trigger_intents.load_intents(connection, key, workload.generation)
    done = [one.id for one in intents if is_done(one, workload)]
    never = [
        one.id
        for one in intents
        if one.id not in done
        and one.state.uid == workload.uid
        and one.state.generation < workload.generation
    ]
    if done:
        await trigger_intents.note_seen(connection, done)
    if never:
        await trigger_intents.forget_intents(connection, never)


async def sweep_intents(deps: Deps) -> None:
    """Tell the patches that were made by processes which died before they told them.

    Raises Unavailable when Postgres is away; a cluster that is away is asked again later.
    """
    now = deps.clock()
    left_over = now - _LEFT_OVER_AFTER
    async with deps.database.connection() as connection:
        unseen = await trigger_intents.load_unseen_intents(connection, deps.cluster, left_over)
    looks = asyncio.Semaphore(_LOOKS_AT_ONCE)
    keys = sorted({one.state.key for one in unseen})
    answered = await asyncio.gather(*(_look(deps, key, looks) for key in keys))
    looked_at = {key for key, is_answered in zip(keys, answered, strict=True) if is_answered}
    async with deps.database.connection() as connection:
        seen = await trigger_intents.load_seen_intents(connection, deps.cluster, left_over)
    for intent in seen:
        await record_left_over(deps, intent)
    told = {one.id for one in seen}
    never = [
        one.id
        for one in unseen
        if one.id not in told and one.state.key in looked_at and one.at <= now - _NEVER_AFTER
    ]
    async with deps.database.connection() as connection:
        await trigger_intents.forget_intents(connection, never)
        await trigger_intents.forget_old(
            connection, deps.cluster, now - _REMEMBERED, now - _GIVEN_UP_AFTER
        )


async def _look(deps: Deps, key: Key, looks: asyncio.Semaphore) -> bool:
    """Whether the cluster answered."""
    _, api_version, kind, namespace, name = key
    resource = target_of(api_version, kind).resource
    try:
        async with looks:
            body = await deps.kube.get(resource, namespace, name)
    except NotFound:
        return True
    except Upstream as error:
        _log.warning("left over patch not looked at", workload=name, error=str(error))
        return False
    async with deps.database.connection() as connection, connection.transaction():
        await note_what_shows(connection, parse_workload(deps.cluster, body))
    return True
