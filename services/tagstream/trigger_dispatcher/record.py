"""What a reaction leaves behind: rows of the index, and facts in the journal.

Owns the writes that a reaction can end with. Nothing here talks to the cluster.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import cast

from tagstream.errors import Conflict
from tagstream.events.trigger_facts import (
    FAILED,
    FIRED,
    SKIPPED,
    Reaction,
    ToldTrigger,
    reaction_facts,
)
from tagstream.store import workload_triggers
from tagstream.store.database import Connection
from tagstream.store.journal import Command, Transaction, transaction
from tagstream.store.trigger_intents import StoredIntent, note_told
from tagstream.store.workload_triggers import PatchedWorkload
from tagstream.trigger_dispatcher.deps import ACTOR, Cause, Deps, Fired
from tagstream.trigger_dispatcher.index import to_index, to_row
from tagstream.trigger_dispatcher.matching import (
    Change,
    StreamTag,
    Workload,
    list_followings_or_none,
)

_IDS = uuid.UUID("6f1d0a52-0d3c-5a53-9c0c-6a8f3f1b7d10")
_LONGEST_DELAY_S = 30.0


def tell(changes: Sequence[Change]) -> tuple[ToldTrigger, ...]:
    """The changes as facts tell them."""
    return tuple(
        tell_trigger(c.source, c.field_path, c.image.old_image, c.image.new_image) for c in changes
    )


def tell_trigger(
    source: StreamTag, field_path: str, old_image: str = "", new_image: str = ""
) -> ToldTrigger:
    """One trigger as a fact tells it; images are empty when none was computed."""
    return ToldTrigger(
        source.namespace, source.stream, source.tag, field_path, old_image, new_image
    )


async def load_resolved(
    deps: Deps, connection: Connection, workloads: Iterable[Workload]
) -> dict[StreamTag, str]:
    """What the active triggers of the workloads resolve to now; tags without an image are absent.

    An annotation that cannot be decoded follows nothing; deciding on it tells why.
    """
    wanted = {source for workload in workloads for source in _active_sources(workload)}
    resolved: dict[StreamTag, str] = {}
    for source in sorted(wanted):
        image = await deps.resolve_tag(connection, source.namespace, source.stream, source.tag)
        if image is not None:
            resolved[source] = image
    return resolved


async def record_fired(deps: Deps, fired: Fired) -> Mapping[StreamTag, str]:
    """Store the workload as the patch left it, with a `TriggerFired` for each tag that fired.

    Answers what its tags resolve to *after* the patch: had one moved in the meantime, the patch
    would be a step back, and the caller goes on with the new image. Patches that end while others
    are being stored are stored together: a tag with hundreds of followers costs a few commits.

    Raises Unavailable and Conflict; what is not told then is told by the sweep of `intents`.
    """
    return await deps.firing.add(fired, lambda all_: _store(deps, all_))


async def _store(deps: Deps, fired: Sequence[Fired]) -> list[Mapping[StreamTag, str]]:
    """One transaction for each event, or for each trace where there was none: facts tell the cause
    and carry its trace."""
    groups: dict[tuple[str, str], list[Fired]] = {}
    for one in fired:
        key = one.cause.text, one.cause.event_id or one.cause.traceparent
        groups.setdefault(key, []).append(one)
    answers: dict[int, Mapping[StreamTag, str]] = {}
    for group in groups.values():
        resolved = await _store_together(deps, group[0].cause, group)
        answers |= {id(one): resolved for one in group}
    return [answers[id(one)] for one in fired]


async def _store_together(
    deps: Deps, cause: Cause, group: Sequence[Fired]
) -> Mapping[StreamTag, str]:
    patched = [PatchedWorkload(to_row(one.before), *to_index(one.workload)) for one in group]
    async with _transaction(deps, deps.new_id(), cause) as tx:
        await workload_triggers.update_workloads(tx.connection, patched, tx.command.at)
        ours = await note_told(tx.connection, [one.intent for one in group], tx.command.at)
        _tell(tx, [fired_reaction(o.workload, o.changes) for o in group if o.intent.state in ours])
        return await load_resolved(deps, tx.connection, [one.workload for one in group])


async def record_left_over(deps: Deps, intent: StoredIntent) -> None:
    """Tell a patch that was made by a process which has not told it."""
    cause = Cause(*cast("Sequence[str]", intent.body["cause"]))
    reaction = Reaction.from_json(cast("Mapping[str, object]", intent.body["reaction"]))
    async with _transaction(deps, deps.new_id(), cause) as tx:
        if await note_told(tx.connection, [intent], tx.command.at):
            _tell(tx, [reaction])


async def record_failed(
    deps: Deps,
    workload: Workload,
    told: tuple[ToldTrigger, ...],
    failure: tuple[str, str],
    cause: Cause,
    *,
    final: bool,
) -> None:
    """Count the failure and say when to try again: 1 s, doubling to 30 s; never when `final`.

    A try that failed before the next one was due, because its tags moved again, counts for nothing:
    else many moves in a short absence of the cluster would put the workload off for long.
    `failure` is a CamelCase reason and a sentence. Only the first failure in a row is a fact.
    """
    async with _transaction(deps, deps.new_id(), cause) as tx:
        row = to_row(workload)
        known = await workload_triggers.load_workload(tx.connection, row.key)
        failures = known.failures if known and known.body == row.body else 0
        promised = known.retry_at if known and failures else None
        if promised is not None and promised > tx.command.at and not final:
            return
        delay = timedelta(seconds=min(_LONGEST_DELAY_S, 2.0 ** min(failures, 10)))
        await workload_triggers.save_failure(
            tx.connection, row, failures + 1, None if final else tx.command.at + delay
        )
        if failures == 0:
            _tell(tx, [_reaction(FAILED, workload, told, failure)])


async def record_skipped(
    deps: Deps, workload: Workload, told: tuple[ToldTrigger, ...], cause: Cause
) -> None:
    """Say once for each change of a tag that a pause kept the workload from following it."""
    if not cause.event_id:
        return
    command_id = _id_from(workload, SKIPPED, cause.event_id)
    reaction = _reaction(SKIPPED, workload, told, ("Paused", "triggers are paused here"))
    try:
        async with _transaction(deps, command_id, cause) as tx:
            _tell(tx, [reaction])
    except Conflict:
        # The event was delivered before, and the fact is already there.
        return


async def record_settled(deps: Deps, workload: Workload) -> None:
    """Forget failures and pending looks: the workload has all its images."""
    async with deps.database.connection() as connection:
        await workload_triggers.settle_workload(connection, to_row(workload))


async def record_gone(deps: Deps, workload: Workload) -> None:
    """Drop a workload that the cluster no longer has."""
    async with deps.database.connection() as connection:
        await workload_triggers.drop_workload(connection, to_row(workload).key, workload.uid)


def _active_sources(workload: Workload) -> set[StreamTag]:
    return {f.source for f in list_followings_or_none(workload) if not f.trigger.paused}


def _transaction(
    deps: Deps, command_id: str, cause: Cause
) -> AbstractAsyncContextManager[Transaction]:
    command = Command(
        id=command_id,
        kind="trigger",
        at=deps.clock(),
        actor=ACTOR,
        cause=cause.text,
        arguments={"event": cause.event_id},
        traceparent=cause.traceparent,
    )
    return transaction(deps.database, command)


def _reaction(
    outcome: str,
    workload: Workload,
    told: tuple[ToldTrigger, ...],
    failure: tuple[str, str] = ("", ""),
) -> Reaction:
    key = workload.key
    return Reaction(
        outcome,
        key.cluster,
        key.api_version,
        key.kind,
        key.namespace,
        key.name,
        told,
        reason=failure[0],
        message=failure[1],
    )


def fired_reaction(workload: Workload, changes: Sequence[Change]) -> Reaction:
    """What is told of a patch that was made."""
    return _reaction(FIRED, workload, tell(changes))


def _tell(tx: Transaction, reactions: Sequence[Reaction]) -> None:
    if not reactions:
        return
    tx.say({"reactions": [reaction.to_json() for reaction in reactions]})
    for fact in reaction_facts(reactions):
        tx.emit(fact)


def _id_from(workload: Workload, what: str, detail: str) -> str:
    parts = (what, workload.key.cluster, workload.uid, str(workload.key), detail)
    return str(uuid.uuid5(_IDS, "\n".join(parts)))
