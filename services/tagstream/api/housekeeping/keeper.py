"""Runs housekeeping in one replica: woken by the journal, and every 30 seconds over everything.

Owns when to look, not what to do. What a change says is only where to look first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from tagstream.api.housekeeping.deps import Deps
from tagstream.api.housekeeping.expiry import Retention, expire_events, trim_all
from tagstream.api.housekeeping.namespaces import (
    repair_defaults,
    sweep_abandoned,
    terminate_namespaces,
)
from tagstream.api.housekeeping.owners import collect_all, collect_dependents_of, settle_owner
from tagstream.errors import Unavailable
from tagstream.store.database import Database
from tagstream.store.followed_changes import read_touched
from tagstream.store.journal import load_head
from tagstream.store.leases import Lease
from tagstream.store.outbox import JournalSignal

log = structlog.get_logger()

LEASE = "api-housekeeping"
_FULL_EVERY = timedelta(seconds=30)
_REST_S = 0.05
_FOLLOWED = ("namespaces", "serviceaccounts", "rolebindings")


class Housekeeper:
    """One per process; `run` does the work while this process holds the lease."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        internal_registry: str,
        retention: Retention | None = None,
    ) -> None:
        lease = Lease(database, LEASE)
        self.deps = Deps(database, lease, clock, internal_registry)
        self._retention = retention or Retention()
        self._position = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Outlives absences of Postgres."""
        await self.deps.lease.hold(stop, self._work)

    async def look_at_everything(self) -> None:
        """One pass over the whole state. Tasks fail apart: one that cannot go on stops no other.

        Raises Unavailable when Postgres is away.
        """
        await self._try("defaults", repair_defaults(self.deps))
        await self._try("namespaces", terminate_namespaces(self.deps))
        await self._try("abandoned", sweep_abandoned(self.deps))
        await self._try("owners", collect_all(self.deps))
        await self._try("events", expire_events(self.deps, self._retention))
        await self._try("retention", trim_all(self.deps, self._retention))

    async def look_at_changes(self) -> None:
        """What the journal says has happened since the last look. Raises Unavailable."""
        async with self.deps.database.connection() as connection:
            head = await load_head(connection)
            touched = await read_touched(connection, _FOLLOWED, self._position)
        if touched:
            await self._try("defaults", repair_defaults(self.deps))
            await self._try("namespaces", terminate_namespaces(self.deps))
        for one in dict.fromkeys(touched):
            if one.is_gone and one.resource != "events":
                await self._try("owners", collect_dependents_of(self.deps, one.uid))
            elif one.is_going:
                await self._try("owners", settle_owner(self.deps, one.uid))
        self._position = head

    async def _work(self) -> None:
        signal = JournalSignal(self.deps.database.url)
        try:
            await self._loop(signal)
        finally:
            await signal.close()

    async def _loop(self, signal: JournalSignal) -> None:
        due = self.deps.clock()
        while True:
            now = self.deps.clock()
            if now >= due or due - now > _FULL_EVERY:
                due = now + _FULL_EVERY
                async with self.deps.database.connection() as connection:
                    head = await load_head(connection)
                await self.look_at_everything()
                # What happened meanwhile is looked at again.
                self._position = head
            await signal.wait()
            await self.look_at_changes()
            await asyncio.sleep(_REST_S)

    async def _try(self, task: str, work: Awaitable[object]) -> None:
        try:
            await work
        except Unavailable:
            raise
        except Exception:
            log.exception("housekeeping failed", task=task)
