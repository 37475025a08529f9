"""What ends by age: events, and the rows that nobody can ask for any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tagstream.api.access.system_objects import format_second
from tagstream.api.housekeeping.deps import Deps
from tagstream.errors import Conflict
from tagstream.events.subjects import EVENTS_STREAM, JOBS_STREAM
from tagstream.store.database import Connection
from tagstream.store.housekeeping_reads import lock_expired_events
from tagstream.store.images import forget_cached_images
from tagstream.store.imports import forget_imports
from tagstream.store.journal import load_oldest
from tagstream.store.outbox import load_cursor
from tagstream.store.resources import delete_resource
from tagstream.store.retention import (
    load_oldest_command,
    trim_changes,
    trim_commands,
    trim_facts,
    trim_jobs,
)

_EVENTS_AT_ONCE = 200
_ROWS_AT_ONCE = 2000
_BATCHES = 50
_COMMANDS_TOGETHER = timedelta(hours=1)
_COMMANDS_AT_ONCE = 20_000

Trim = Callable[[Connection], Awaitable[int]]
"""Deletes some rows; returns how many."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept. `journal`: commands with their changes, facts and jobs, so that a
    recording can begin anywhere within it; a watch has its own window (store/journal.py)."""

    kubernetes_events: timedelta = timedelta(hours=1)
    journal: timedelta = timedelta(days=7)


async def expire_events(deps: Deps, retention: Retention) -> int:
    """Deletes Kubernetes events that were last seen too long ago; returns how many."""
    gone = 0
    for _ in range(_BATCHES):
        before = format_second(deps.clock() - retention.kubernetes_events)
        try:
            async with deps.transaction("expire-events", "events are old", {}) as tx:
                rows = await lock_expired_events(tx.connection, before, _EVENTS_AT_ONCE)
                for row in rows:
                    await delete_resource(tx, row)
        except Conflict:
            return gone
        gone += len(rows)
        if len(rows) < _EVENTS_AT_ONCE:
            break
    return gone


async def trim_all(deps: Deps, retention: Retention) -> None:
    """Deletes old rows in bounded batches, each its own transaction: changes first, and nothing
    else of a command whose changes are still there."""
    before = deps.clock() - retention.journal
    facts = await load_cursor(deps.database, EVENTS_STREAM)
    jobs = await load_cursor(deps.database, JOBS_STREAM)
    await _in_batches(deps, lambda c: trim_changes(c, before, _ROWS_AT_ONCE))
    async with deps.database.connection() as connection:
        gone = await load_oldest(connection)
    await _in_batches(deps, lambda c: trim_facts(c, before, min(facts, gone), _ROWS_AT_ONCE))
    await _in_batches(deps, lambda c: trim_jobs(c, before, min(jobs, gone), _ROWS_AT_ONCE))
    await _trim_commands(deps, before, gone)
    async with deps.database.connection() as connection:
        await forget_cached_images(connection, _ROWS_AT_ONCE)
        await forget_imports(connection, _ROWS_AT_ONCE)


async def _trim_commands(deps: Deps, before: datetime, gone: int) -> None:
    """Seldom and many at once: each batch reads the whole of the tags' items."""
    async with deps.database.connection() as connection:
        oldest = await load_oldest_command(connection)
    if oldest is not None and oldest < before - _COMMANDS_TOGETHER:
        await _in_batches(deps, lambda c: trim_commands(c, before, gone, _COMMANDS_AT_ONCE))


async def _in_batches(deps: Deps, trim: Trim) -> None:
    for _ in range(_BATCHES):
        # A connection of the pool is held for one batch only.
        async with deps.database.connection() as connection:
            if not await trim(connection):
                return
