"""Whether Postgres answers, asked every two seconds so that a readiness check need not wait."""

from __future__ import annotations

import asyncio

from tagstream.errors import Unavailable
from tagstream.store.database import Database

_EVERY_S = 2.0


class PostgresProbe:
    """Remembers the last answer; run `run` beside the service's own work."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._problem: str | None = "not asked yet"

    def healthy(self) -> str | None:
        """Why Postgres cannot be used, or None when it can."""
        return self._problem

    async def run(self, stop: asyncio.Event) -> None:
        """Asks until `stop`."""
        while not stop.is_set():
            self._problem = await self._ask()
            try:
                async with asyncio.timeout(_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(_EVERY_S), self._database.connection() as connection:
                await connection.fetchval("SELECT 1")
        except (Unavailable, TimeoutError):
            return "Postgres does not answer"
        return None
