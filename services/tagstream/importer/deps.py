"""What the importer's handlers are given."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tagstream.importer.fetch import FetchDeps
from tagstream.store.database import Database
from tagstream.store.journal import Command
from tagstream.store.sealing import Sealer
from tagstream.telemetry.tracing import current_traceparent

ACTOR = "system:serviceaccount:tagstream-system:importer"


@dataclass(frozen=True, slots=True)
class Deps:
    """The outside world. `fetching` has no secrets yet: they are read for each import.

    `sealer` None means that no key was given, so that sealed Secrets cannot be opened.
    """

    database: Database
    fetching: FetchDeps
    sealer: Sealer | None = None
    pull_secret_file: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def command(self, kind: str, cause: str, arguments: Mapping[str, object]) -> Command:
        """A command of this service, now, within the trace under way."""
        return Command(
            self.new_id(), kind, self.clock(), ACTOR, cause, arguments, current_traceparent()
        )
