"""Keeping the index true to the cluster, under a lease: one process at a time writes it.

Owns what an observed workload does to the index and whether it calls for a reaction. A look that
is due is stored with the row, so that a process that dies before it leaves it to the next one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from tagstream.errors import TagstreamError
from tagstream.store import workload_triggers
from tagstream.store.leases import Lease
from tagstream.store.workload_triggers import IndexedWorkload
from tagstream.trigger_dispatcher.announce import announce_failure
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.index import from_index, is_older, is_same, to_index
from tagstream.trigger_dispatcher.intents import note_what_shows
from tagstream.trigger_dispatcher.matching import (
    Failure,
    Workload,
    WorkloadKey,
    decide_reaction,
    needs_reaction,
    parse_workload,
)
from tagstream.trigger_dispatcher.observer import Name, Observed, observe
from tagstream.trigger_dispatcher.reactions import react_all
from tagstream.trigger_dispatcher.targets import TARGETS, Target

OBSERVER_LEASE = "cluster-observer"
_TAKEN_OVER_AFTER = timedelta(seconds=5)
_PENDING_REACTIONS = 64

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Observation:
    """What one holder of the lease remembers: the workloads with an annotation, as last seen.

    `waiting` are those that this process just works on, each as it was last observed: most are
    the echo of our own patch, which whoever patches stores.
    """

    deps: Deps
    lease: Lease
    seen: dict[WorkloadKey, Workload] = field(default_factory=dict)
    waiting: dict[WorkloadKey, Observed] = field(default_factory=dict)
    pending: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_PENDING_REACTIONS)
    )


async def keep_index(deps: Deps, lease: Lease) -> None:
    """Observe every kind until cancelled. Runs only while `lease` is held."""
    observation = Observation(deps, lease)
    known: dict[Target, set[Name]] = {target: set() for target in TARGETS}
    by_kind = {(t.resource.api_version, t.resource.kind): t for t in TARGETS}
    after = None
    while True:
        async with deps.database.connection() as connection:
            rows = await workload_triggers.load_page(connection, deps.cluster, after)
        for row in rows:
            workload = from_index(row)
            observation.seen[workload.key] = workload
            target = by_kind.get((workload.key.api_version, workload.key.kind))
            if target is not None:
                known[target].add((workload.key.namespace, workload.key.name))
        if not rows:
            break
        after = rows[-1].key
    async with asyncio.TaskGroup() as group:
        for target in TARGETS:
            group.create_task(_follow(observation, group, target, known[target]))


async def _follow(
    observation: Observation, group: asyncio.TaskGroup, target: Target, known: set[Name]
) -> None:
    async def take(observed: Observed) -> None:
        row = await on_observed(observed, observation)
        key = _key(observation.deps, observed)
        name = (observed.namespace, observed.name)
        (known.add if key in observation.seen else known.discard)(name)
        if row is not None:
            await observation.pending.acquire()
            group.create_task(_react_later(observation, row))

    async def take_after_the_reaction(key: WorkloadKey) -> None:
        async with observation.deps.locks.hold(key):
            pass
        taken = None
        # What comes meanwhile waits for its turn.
        while observation.waiting[key] is not taken:
            taken = observation.waiting[key]
            await take(taken)
        del observation.waiting[key]

    async for observed in observe(observation.deps.kube, target, known):
        key = _key(observation.deps, observed)
        if key in observation.waiting:
            observation.waiting[key] = observed
        elif observation.deps.locks.is_held(key):
            observation.waiting[key] = observed
            group.create_task(take_after_the_reaction(key))
        else:
            await take(observed)


async def on_observed(observed: Observed, observation: Observation) -> IndexedWorkload | None:
    """Bring the index up to date; the workload to react for, if there is one (A8).

    Raises Conflict when the lease is lost and Unavailable when Postgres is away.
    """
    key = _key(observation.deps, observed)
    if observed.body is None:
        await _forget(observation, key)
        return None
    workload = parse_workload(observation.deps.cluster, observed.body)
    last = observation.seen.get(key)
    if is_same(last, workload) or (workload.annotation is None and last is None):
        return None
    if workload.annotation is None:
        await _forget(observation, key)
        return None
    observation.seen[key] = workload
    if observation.deps.patched.pop(key, None) == workload.resource_version:
        # The echo of our own patch: whoever patched has stored the row, or fails and comes again.
        return None
    return await _store(observation, workload)


async def _store(observation: Observation, workload: Workload) -> IndexedWorkload | None:
    deps = observation.deps
    row, triggers = to_index(workload)
    now = deps.clock()
    async with deps.database.connection() as connection, connection.transaction():
        await observation.lease.fence(connection)
        indexed = await workload_triggers.load_workload(connection, row.key)
        held = from_index(indexed) if indexed is not None else None
        if is_same(held, workload) or is_older(held, workload):
            return None
        due = needs_reaction(held, workload)
        if due:
            row, triggers = to_index(workload, now + _TAKEN_OVER_AFTER)
        await workload_triggers.save_workload(connection, row, triggers, now)
        await note_what_shows(connection, workload)
    decision = decide_reaction(workload, {})
    if isinstance(decision, Failure):
        await announce_failure(deps.kube, workload, decision, now)
    return row if due else None


async def _forget(observation: Observation, key: WorkloadKey) -> None:
    if observation.seen.pop(key, None) is None:
        return
    async with (
        observation.deps.database.connection() as connection,
        connection.transaction(),
    ):
        await observation.lease.fence(connection)
        await workload_triggers.drop_workload(
            connection, (key.cluster, key.api_version, key.kind, key.namespace, key.name)
        )


async def _react_later(observation: Observation, row: IndexedWorkload) -> None:
    try:
        await react_all(observation.deps, [row], Cause("workload changed"))
    except TagstreamError as error:
        # The row says when to look again.
        _log.warning("reaction put off", workload=row.key[-1], error=str(error))
    except Exception as error:
        # A bug met by one workload must not end the observation of all.
        _log.exception("reaction failed", workload=row.key[-1], error=repr(error))
    finally:
        observation.pending.release()


def _key(deps: Deps, observed: Observed) -> WorkloadKey:
    resource = observed.target.resource
    return WorkloadKey(
        deps.cluster, resource.api_version, resource.kind, observed.namespace, observed.name
    )
