"""Making workloads have their tags' images: compare, patch once, record.

Owns the sequence and its repetitions; decisions are `matching`, records are `record`. A reaction
is level-triggered: it reads what tags resolve to now, whatever caused it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import structlog

from tagstream.errors import Conflict, InvalidInput, NotFound, TagstreamError, Upstream
from tagstream.events.trigger_facts import ToldTrigger
from tagstream.store import workload_triggers
from tagstream.store.workload_triggers import IndexedWorkload
from tagstream.telemetry import metrics, names
from tagstream.telemetry.tracing import current_traceparent, span
from tagstream.trigger_dispatcher.announce import announce_failure
from tagstream.trigger_dispatcher.deps import Cause, Deps, Fired
from tagstream.trigger_dispatcher.index import from_index, is_paused, to_index
from tagstream.trigger_dispatcher.intents import drop_unless_done, intend, note_what_shows
from tagstream.trigger_dispatcher.matching import (
    Failure,
    Reaction,
    StreamTag,
    Workload,
    decide_reaction,
    parse_workload,
)
from tagstream.trigger_dispatcher.record import (
    load_resolved,
    record_failed,
    record_fired,
    record_gone,
    record_settled,
    record_skipped,
    tell,
    tell_trigger,
)
from tagstream.trigger_dispatcher.targets import target_of

_ROUNDS = 4
_OLD_AFTER_S = 1.0

_log = structlog.get_logger(__name__)


class ReactionOutcome(Enum):
    """What became of one look at a workload."""

    FIRED = "fired"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _View:
    """A workload and, read after it, the images of its tags.

    `is_fresh`: just read from the cluster; `is_patched`: just patched by us; `is_old`: much may
    have happened since.

    The order matters: a patch whose `test` operations hold on an older workload cannot put an older
    image over a newer one, where the cluster counts generations.
    """

    workload: Workload
    resolved: Mapping[StreamTag, str]
    is_fresh: bool = False
    is_patched: bool = False
    is_old: bool = False


async def react_all(
    deps: Deps, rows: Sequence[IndexedWorkload], cause: Cause
) -> Counter[ReactionOutcome]:
    """React for every workload; one that fails is put off to its own retry, not in the way.

    Raises Unavailable or Conflict when a record could not be written, after all had their turn.
    """
    if not rows:
        return Counter()
    workloads = [from_index(row) for row in rows]
    async with deps.database.connection() as connection:
        pauses = await workload_triggers.load_trigger_pauses(connection)
        resolved = await load_resolved(deps, connection, workloads)
    outcomes: Counter[ReactionOutcome] = Counter()
    read_at = time.monotonic()

    async def one(row: IndexedWorkload, workload: Workload) -> None:
        async with deps.slots:
            view = _View(workload, resolved, is_old=time.monotonic() - read_at > _OLD_AFTER_S)
            outcomes[await _react(deps, row, view, pauses, cause)] += 1

    results = await asyncio.gather(
        *(one(row, workload) for row, workload in zip(rows, workloads, strict=True)),
        return_exceptions=True,
    )
    for error in results:
        if error is not None:
            raise error
    return outcomes


async def _react(
    deps: Deps, row: IndexedWorkload, view: _View, pauses: frozenset[str], cause: Cause
) -> ReactionOutcome:
    key = view.workload.key
    started = time.perf_counter()
    async with deps.locks.hold(key) as waited:
        with span(
            names.REACTION_SPAN,
            cause.traceparent,
            kind=key.kind,
            namespace=key.namespace,
            workload=key.name,
        ) as opened:
            within = Cause(cause.text, cause.event_id, current_traceparent())
            if waited or view.is_old:
                reloaded = await _reload(deps, row)
                if reloaded is None:
                    return ReactionOutcome.GONE
                row, view = reloaded
            if is_paused(pauses, key.namespace):
                outcome = await _skip(deps, row, view, within)
            else:
                outcome = await _apply(deps, row, view, within)
            opened.annotate(outcome=outcome.value)
    metrics.add(names.TRIGGER_REACTIONS, kind=key.kind, outcome=outcome.value)
    if outcome is not ReactionOutcome.UNCHANGED:
        duration_s = time.perf_counter() - started
        metrics.observe(names.TRIGGER_REACTION_DURATION, duration_s, kind=key.kind)
        _log.info(
            "workload looked at",
            workload=str(key),
            outcome=outcome.value,
            cause=cause.text,
            event_id=cause.event_id,
            duration_ms=round(duration_s * 1000, 1),
        )
    return outcome


async def _apply(deps: Deps, row: IndexedWorkload, view: _View, cause: Cause) -> ReactionOutcome:
    fired = False
    told: tuple[ToldTrigger, ...] = ()
    for _ in range(_ROUNDS):
        decision = decide_reaction(view.workload, view.resolved)
        if isinstance(decision, Failure):
            return await _give_up(deps, view.workload, decision, cause)
        if decision is None:
            if not fired and (row.failures or row.retry_at):
                await record_settled(deps, view.workload)
            return ReactionOutcome.FIRED if fired else ReactionOutcome.UNCHANGED
        told = tell(decision.changes)
        step = await _step(deps, view, decision, cause)
        if isinstance(step, ReactionOutcome):
            return step
        view, fired = step, fired or step.is_patched
    error = Conflict("the workload or its tags keep changing")
    return await _fail(deps, view.workload, told, error, cause, final=False)


async def _step(
    deps: Deps, view: _View, reaction: Reaction, cause: Cause
) -> _View | ReactionOutcome:
    """Send one patch: the outcome if that settles it, else what to look at next."""
    told = tell(reaction.changes)
    intent = await intend(deps, view.workload, reaction, cause)
    try:
        with deps.firing.coming():
            body = await _patch(deps, view.workload, reaction)
    except (NotFound, InvalidInput, Conflict, Upstream) as error:
        await drop_unless_done(deps, intent, error)
        if isinstance(error, NotFound):
            await record_gone(deps, view.workload)
            return ReactionOutcome.GONE
        if isinstance(error, Upstream):
            return await _fail(deps, view.workload, told, error, cause, final=False)
        return await _look_again(deps, view, told, error, cause)
    patched = parse_workload(deps.cluster, body)
    resolved = await record_fired(
        deps, Fired(view.workload, patched, reaction.changes, cause, intent)
    )
    deps.patched[patched.key] = patched.resource_version
    return _View(patched, resolved, is_patched=True)


async def _look_again(
    deps: Deps,
    view: _View,
    told: tuple[ToldTrigger, ...],
    refusal: InvalidInput | Conflict,
    cause: Cause,
) -> _View | ReactionOutcome:
    """The patch was refused: what the workload is now, or that it is of no use to ask again."""
    try:
        fresh = await _refresh(deps, view.workload)
    except Upstream as error:
        return await _fail(deps, view.workload, told, error, cause, final=False)
    if fresh is None:
        return ReactionOutcome.GONE
    is_unmoved = fresh.workload.resource_version == view.workload.resource_version
    if view.is_fresh and is_unmoved and isinstance(refusal, InvalidInput):
        # Nothing moved between reading and patching: the server will never take it.
        return await _fail(deps, view.workload, told, refusal, cause, final=True)
    return fresh


async def _patch(deps: Deps, workload: Workload, reaction: Reaction) -> dict[str, object]:
    key = workload.key
    resource = target_of(key.api_version, key.kind).resource
    with span(names.KUBE_SPAN, verb="PATCH", resource=resource.plural):
        return await deps.kube.patch(resource, key.namespace, key.name, reaction.patch)


async def _skip(deps: Deps, row: IndexedWorkload, view: _View, cause: Cause) -> ReactionOutcome:
    decision = decide_reaction(view.workload, view.resolved)
    if row.failures or row.retry_at:
        await record_settled(deps, view.workload)
    if not isinstance(decision, Reaction):
        return ReactionOutcome.UNCHANGED
    await record_skipped(deps, view.workload, tell(decision.changes), cause)
    return ReactionOutcome.SKIPPED


async def _give_up(
    deps: Deps, workload: Workload, failure: Failure, cause: Cause
) -> ReactionOutcome:
    reason = (failure.reason.value, failure.message)
    told = (tell_trigger(failure.source, failure.field_path),) if failure.source else ()
    await record_failed(deps, workload, told, reason, cause, final=True)
    await announce_failure(deps.kube, workload, failure, deps.clock())
    return ReactionOutcome.FAILED


async def _fail(
    deps: Deps,
    workload: Workload,
    told: tuple[ToldTrigger, ...],
    error: TagstreamError,
    cause: Cause,
    *,
    final: bool,
) -> ReactionOutcome:
    _log.warning("workload not patched", workload=str(workload.key), error=str(error), final=final)
    failure = ("Refused" if final else type(error).__name__, str(error))
    await record_failed(deps, workload, told, failure, cause, final=final)
    return ReactionOutcome.FAILED


async def _refresh(deps: Deps, workload: Workload) -> _View | None:
    """The workload as the cluster and from now on the index have it, its tags after that.

    None when it is gone, from the cluster or meanwhile from the index, where its end was observed.
    """
    key = workload.key
    resource = target_of(key.api_version, key.kind).resource
    try:
        body = await deps.kube.get(resource, key.namespace, key.name)
    except NotFound:
        await record_gone(deps, workload)
        return None
    fresh = parse_workload(deps.cluster, body)
    row, triggers = to_index(fresh)
    async with deps.database.connection() as connection, connection.transaction():
        indexed = await workload_triggers.lock_workload(connection, row.key)
        if indexed is None:
            return None
        if from_index(indexed) != workload:
            # Somebody else has stored it meanwhile, perhaps as it was after we looked.
            known = from_index(indexed)
            return _View(known, await load_resolved(deps, connection, [known]))
        await workload_triggers.save_workload(connection, row, triggers, deps.clock())
        await note_what_shows(connection, fresh)
        return _View(fresh, await load_resolved(deps, connection, [fresh]), is_fresh=True)


async def _reload(deps: Deps, row: IndexedWorkload) -> tuple[IndexedWorkload, _View] | None:
    async with deps.database.connection() as connection:
        found = await workload_triggers.load_workload(connection, row.key)
        if found is None:
            return None
        workload = from_index(found)
        return found, _View(workload, await load_resolved(deps, connection, [workload]))
