"""What the tag-tracker's handlers are given."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tagstream.store.database import Connection, Database
from tagstream.store.journal import Command
from tagstream.telemetry.tracing import current_traceparent

ACTOR = "system:serviceaccount:tagstream-system:tag-tracker"

Fence = Callable[[Connection], Awaitable[None]]
"""Raises Conflict, inside a transaction, unless its holder may still act (store/leases.py)."""


@dataclass(frozen=True, slots=True)
class Deps:
    """The outside world, and how long things may take.

    `finished_lost_after` and `ordered_lost_after`: when a finished or an ordered import that
    nothing has happened to is looked at again.
    """

    database: Database
    internal_registry: str = ""
    deadline_s: float = 300.0
    finished_lost_after: timedelta = timedelta(seconds=60)
    ordered_lost_after: timedelta = timedelta(seconds=600)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def command(self, kind: str, cause: str, arguments: Mapping[str, object]) -> Command:
        """A command of this service, now, within the trace under way."""
        return Command(
            self.new_id(), kind, self.clock(), ACTOR, cause, arguments, current_traceparent()
        )
