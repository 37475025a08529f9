"""Since when each namespace is the one it is: what happened earlier under its name was of another.

Owns what the live feed knows of that, once for all browsers, and how it stays current. Pages read
it with the rest of their snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from tagstream.errors import Unavailable
from tagstream.store.database import Database
from tagstream.store.followed_changes import read_changes_of
from tagstream.store.journal import load_head
from tagstream.store.page_reads import load_namespace_births

_KINDS = (("", "namespaces"),)


class NamespaceBirths:
    """The namespaces as they were at `position`; `refresh` moves it on."""

    def __init__(self, database: Database) -> None:
        self.births: Mapping[str, datetime] = {}
        self.position = 0
        self._database = database
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """Nobody asks any more: the next one reads them anew, not all that happened since."""
        self.births, self.position = {}, 0

    async def refresh(self, position: int) -> None:
        """Returns when everything up to a position is known. Callers share look-ups.

        Raises Unavailable when Postgres is away, or has lost that position.
        """
        async with self._lock:
            if self.position >= position:
                return
            await self._catch_up()
            if self.position < position:
                raise Unavailable(f"the journal ends before position {position}")

    async def _catch_up(self) -> None:
        async with self._database.snapshot() as connection:
            if self.position:
                read = await read_changes_of(connection, _KINDS, self.position)
                if read.is_complete and not read.changes:
                    self.position = read.head
                    return
            births = await load_namespace_births(connection)
            self.births, self.position = births, await load_head(connection)
