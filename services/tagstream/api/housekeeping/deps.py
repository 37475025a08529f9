"""What every housekeeping task is handed, and the one way it writes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.wire.json_types import JsonObject
from tagstream.store.database import Database
from tagstream.store.journal import Command, Transaction, transaction
from tagstream.store.leases import Lease

ACTOR = "system:tagstream:housekeeping"


@dataclass(frozen=True, slots=True)
class Deps:
    """`clock` gives aware UTC; `internal_registry` is what pull specs of local tags start with."""

    database: Database
    lease: Lease
    clock: Callable[[], datetime]
    internal_registry: str

    @asynccontextmanager
    async def transaction(
        self, kind: str, cause: str, arguments: JsonObject
    ) -> AsyncIterator[Transaction]:
        """A transaction that only the holder of the lease can commit. Raises Conflict else."""
        command = Command(
            id=str(uuid.uuid4()),
            kind=f"housekeeping.{kind}",
            at=self.clock(),
            actor=ACTOR,
            cause=cause,
            arguments=arguments,
        )
        async with transaction(self.database, command) as tx:
            await self.lease.fence(tx.connection)
            yield tx
