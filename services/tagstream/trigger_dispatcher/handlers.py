"""What the dispatcher does when a tag moves, when a pause ends, and when time passes.

Owns choosing the workloads to look at; looking is `reactions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from tagstream.bus.outcomes import Outcome
from tagstream.errors import InvalidInput
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import TagChanged, TriggersResumed, parse_fact
from tagstream.store import workload_triggers
from tagstream.store.workload_triggers import IndexedWorkload
from tagstream.telemetry import metrics, names
from tagstream.trigger_dispatcher.deps import Cause, Deps
from tagstream.trigger_dispatcher.reactions import ReactionOutcome, react_all


async def on_tag_changed(event: CloudEvent, deps: Deps) -> Outcome:
    """Make every follower of the tag have the image the tag resolves to now.

    Raises Unavailable when Postgres is away; what the cluster answers for one workload is that
    workload's own matter.
    """
    fact = parse_fact(event.type, event.data)
    if not isinstance(fact, TagChanged):
        raise InvalidInput("type", f"{event.type} is not a tag's change")
    async with deps.database.connection() as connection:
        followers = await workload_triggers.load_followers(
            connection, deps.cluster, fact.namespace, fact.stream, fact.tag
        )
    cause = Cause(
        f"tag {fact.namespace}/{fact.stream}:{fact.tag} changed", event.id, event.traceparent
    )
    return _outcome_of(await react_all(deps, followers, cause))


async def on_triggers_resumed(event: CloudEvent, deps: Deps) -> Outcome:
    """Catch up: look at every workload of the namespace, or all of them, that was paused."""
    fact = parse_fact(event.type, event.data)
    if not isinstance(fact, TriggersResumed):
        raise InvalidInput("type", f"{event.type} is not the end of a pause")
    outcomes: Counter[ReactionOutcome] = Counter()
    async for page in _pages(deps, fact.namespace):
        outcomes += await react_all(
            deps, page, Cause("triggers resumed", event.id, event.traceparent)
        )
    return _outcome_of(outcomes)


async def sweep_due(deps: Deps) -> None:
    """Look again at workloads whose reaction failed or was lost with its process."""
    async with deps.database.connection() as connection:
        rows = await workload_triggers.load_due(connection, deps.cluster, deps.clock())
    if rows:
        await react_all(deps, rows, Cause("retry"))


async def count_failing(deps: Deps) -> None:
    """Show how many workloads wait for another try."""
    async with deps.database.connection() as connection:
        failing = await workload_triggers.count_failing(connection, deps.cluster)
    metrics.put(names.WORKLOADS_FAILING, failing)


async def resync(deps: Deps) -> None:
    """Look at every workload that was not given up: repairs whatever was lost."""
    async for page in _pages(deps):
        waiting = [row for row in page if not row.failures or row.retry_at]
        await react_all(deps, waiting, Cause("resync"))


async def _pages(deps: Deps, namespace: str = "") -> AsyncIterator[list[IndexedWorkload]]:
    after = None
    while True:
        async with deps.database.connection() as connection:
            rows = await workload_triggers.load_page(connection, deps.cluster, after, namespace)
        if not rows:
            return
        yield rows
        after = rows[-1].key


def _outcome_of(outcomes: Counter[ReactionOutcome]) -> Outcome:
    if outcomes[ReactionOutcome.FIRED]:
        return Outcome.APPLIED
    return Outcome.SKIPPED if outcomes[ReactionOutcome.SKIPPED] else Outcome.UNCHANGED
