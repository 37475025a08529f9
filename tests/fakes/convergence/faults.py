"""A database under which a handler dies: before its commit, or after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

from tagstream.store.database import Connection, Database

BEFORE, AFTER = "before its commit", "after its commit"
fault: ContextVar[str] = ContextVar("fault", default="")
"""When the handler that runs in this context dies; empty when it does not."""


class Killed(Exception):
    """The process of the handler is gone, and what it had not committed with it."""


class BrittleDatabase(Database):
    """A database that does as `fault` says when something is appended to the journal."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection:
            yield cast(Connection, _Brittle(connection))


class _Brittle:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *args: object) -> str:
        when = fault.get() if "append_journal" in query else ""
        if when == BEFORE:
            raise Killed(when)
        status = await self._connection.execute(query, *args)
        if when == AFTER:
            raise Killed(when)
        return status
