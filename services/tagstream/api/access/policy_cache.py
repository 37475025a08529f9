"""Keeps the policy current: a snapshot at the start, then the journal.

Another replica's change is seen within about 50 ms, our own when `refreshed` returns; a refusal
looks once more before it stands, so that no client is refused what it was granted a moment ago.
"""

from __future__ import annotations

import asyncio

import structlog

from tagstream.api.access.policy import KINDS, Decision, Policy
from tagstream.api.access.rbac import request_scope
from tagstream.api.engine.context import User
from tagstream.errors import TagstreamError
from tagstream.store.database import Connection, Database
from tagstream.store.followed_changes import read_changes_of
from tagstream.store.journal import Change, load_head
from tagstream.store.outbox import JournalSignal
from tagstream.store.resources import list_resources

log = structlog.get_logger()

_REST_S = 0.05
_RETRY_S = 1.0


class PolicyCache:
    """The policy of this process. Call `load` once, then run `follow` beside the server."""

    def __init__(self, database: Database) -> None:
        self.policy = Policy()
        self.position = 0
        self._database = database
        self._lock = asyncio.Lock()
        # Look-ups are numbered: one that began before a call may have missed what it is after.
        self._begun = 0
        self._ended = 0

    async def load(self) -> None:
        """Reads everything anew."""
        async with self._database.snapshot() as connection:
            policy, head = await _load(connection)
        self.policy, self.position = policy, head

    async def follow(self, stop: asyncio.Event) -> None:
        """Applies changes as the journal grows, until `stop`. Outlives absences of Postgres."""
        signal = JournalSignal(self._database.url)
        try:
            while not stop.is_set():
                await self._follow_once(signal)
                # Hundreds of tag moves a second must not mean hundreds of look-ups.
                await asyncio.sleep(_REST_S)
        finally:
            await signal.close()

    async def _follow_once(self, signal: JournalSignal) -> None:
        try:
            await signal.wait()
            await self.refresh()
        except TagstreamError as error:
            log.warning("policy not refreshed", error=str(error))
            await asyncio.sleep(_RETRY_S)

    async def refresh(self) -> None:
        """Returns when everything committed before the call is seen. Callers share look-ups.

        Raises Unavailable when Postgres is away.
        """
        wanted = self._begun + 1
        async with self._lock:
            if self._ended >= wanted:
                return
            self._begun += 1
            await self._catch_up()
            self._ended = self._begun

    async def refreshed(self, min_position: int) -> Policy:
        """The policy, with all changes up to a position: what a writer waits for."""
        if self.position < min_position:
            await self.refresh()
        return self.policy

    async def allowed(
        self,
        user: User,
        verb: str,
        group: str,
        resource: str,
        subresource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> Decision:
        """`Policy.allowed` in the request's scope, with a second look before a refusal."""
        scope = request_scope(group, resource, namespace, name)
        asked = (user, verb, group, resource, subresource, scope, name)
        decision = self.policy.allowed(*asked)
        if decision[0]:
            return decision
        await self.refresh()
        return self.policy.allowed(*asked)

    async def _catch_up(self) -> None:
        async with self._database.connection() as connection:
            read = await read_changes_of(connection, KINDS, self.position)
        if not read.is_complete:
            await self.load()
            return
        for change in read.changes:
            _apply(self.policy, change)
        self.position = read.head


def _apply(policy: Policy, change: Change) -> None:
    if change.type == "DELETED":
        policy.remove(change.resource, change.namespace, change.name)
    else:
        policy.put(change.resource, change.namespace, change.name, change.uid, change.body or {})


async def _load(connection: Connection) -> tuple[Policy, int]:
    policy = Policy()
    head = await load_head(connection)
    for group, resource in KINDS:
        for one in await list_resources(connection, group, resource):
            policy.put(resource, one.namespace, one.name, one.uid, one.body)
    return policy, head
