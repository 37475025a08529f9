"""The clock: one holder of the lease looks at the ImagePruner and runs what is due.

A run that a dead process left open is continued first, with the rules and the moment it began with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from tagstream.errors import InvalidInput
from tagstream.pruner.deps import ACTOR, Deps
from tagstream.pruner.pruner_object import created_at, load_pruner, show_state, spec_of
from tagstream.pruning.image_pruner import PrunerState
from tagstream.pruning.marking import BadReferences
from tagstream.pruning.rules import DEFAULT_SCHEDULE, rules_from_json, rules_from_spec
from tagstream.pruning.runs import begin_run, prune, refuse_run
from tagstream.pruning.schedule import decide_due, parse_schedule
from tagstream.pruning.sweeping import Sweep
from tagstream.store.prune import PruneRun, load_last_run, load_open_run
from tagstream.store.resources import Resource
from tagstream.telemetry import metrics, names

CAUSE = "scheduled prune"
_ENABLED, _SUSPENDED = 2, 1

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PruneClock:
    """One holder's watch over the schedule."""

    deps: Deps

    async def step(self) -> PruneRun | None:
        """Continues or starts one run; None when nothing is due.

        Raises Conflict when the lease is lost, Unavailable when Postgres is away; a run that was
        begun then stays open.
        """
        pruner = await load_pruner(self.deps)
        async with self.deps.database.connection() as connection:
            run, last = await load_open_run(connection), await load_last_run(connection)
        problem = ""
        if run is None:
            try:
                run = await self._begin_due(pruner, last)
            except InvalidInput as error:
                problem = str(error)
        if run is not None:
            last = await self._do(run)
        await self._show(pruner, last, problem)
        return last if run is not None else None

    async def _begin_due(self, pruner: Resource, last: PruneRun | None) -> PruneRun | None:
        spec, now = spec_of(pruner), self.deps.clock()
        schedule = parse_schedule(str(spec.get("schedule") or DEFAULT_SCHEDULE))
        rules = rules_from_spec(spec)
        since = created_at(pruner)
        if last is not None and last.scheduled_for is not None:
            since = max(since, last.scheduled_for)
        due = None if spec.get("suspend") else decide_due(schedule, since, now)
        if due is None:
            return None
        return await begin_run(self.deps.database, rules, now, due)

    async def _do(self, run: PruneRun) -> PruneRun | None:
        deps = self.deps
        sweep = Sweep(
            run=run.id,
            actor=ACTOR,
            cause=CAUSE,
            rules=rules_from_json(run.rules),
            internal_registry=deps.internal_registry,
            fence=deps.fence,
            clock=deps.clock,
        )
        began = time.perf_counter()
        try:
            marked, ended = await prune(deps.database, run, sweep)
        except BadReferences as error:
            _log.error("prune refused", run=run.id, references=error.count, error=str(error))
            metrics.add(names.PRUNE_RUNS, outcome="refused")
            await refuse_run(deps.database, run, deps.clock(), str(error))
        else:
            for bad in marked.bad:
                _log.warning("invalid reference ignored", reference=bad.line())
            _log.info("pruned", run=run.id, images=ended.images, items=ended.items)
            metrics.add(names.PRUNE_RUNS, outcome="completed")
            metrics.add(names.PRUNED, ended.images, what="images")
            metrics.add(names.PRUNED, ended.items, what="items")
        metrics.observe(names.PRUNE_DURATION, time.perf_counter() - began)
        async with deps.database.connection() as connection:
            return await load_last_run(connection)

    async def _show(self, pruner: Resource, last: PruneRun | None, problem: str) -> None:
        is_suspended = bool(spec_of(pruner).get("suspend"))
        metrics.put(names.PRUNER_INSTALLED, _SUSPENDED if is_suspended else _ENABLED)
        failure = last.error if last is not None else ""
        await show_state(self.deps, PrunerState(is_suspended, failure, problem))
