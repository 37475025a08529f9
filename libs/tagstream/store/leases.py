"""What must be single: a row that one process at a time holds.

The database's clock decides. Each taking raises the epoch, and every effect of a holder checks it
(`fence`), so one that was frozen or cut off cannot act late (architecture, "Who does what").
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import structlog

from tagstream.errors import Conflict, Unavailable
from tagstream.store.database import Connection, Database
from tagstream.telemetry import metrics, names

log = structlog.get_logger()

TTL_S = 3.0

_TAKE = """
    INSERT INTO leases (name, holder, epoch, expires_at)
    VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        epoch = leases.epoch + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END,
        expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder OR leases.expires_at < clock_timestamp()
    RETURNING epoch
"""
_RELEASE = "UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND holder = $2"
_CHECK = """
    SELECT EXISTS (SELECT FROM leases WHERE name = $1 AND holder = $2 AND epoch = $3
                   AND expires_at > clock_timestamp())
"""
_LOCK = """
    SELECT EXISTS (SELECT FROM leases WHERE name = $1 AND holder = $2 AND epoch = $3
                   AND expires_at > clock_timestamp() FOR SHARE)
"""


class Lease:
    """One process's claim on one name. `hold` runs a task while, and only while, it is held."""

    def __init__(self, database: Database, name: str, *, ttl_s: float = TTL_S) -> None:
        self.name = name
        self.epoch = 0
        self._worked_epoch = 0
        self._database = database
        self._holder = secrets.token_hex(8)
        self._ttl_s = ttl_s

    @property
    def is_held(self) -> bool:
        """Whether this process last heard that it is the holder. `check` asks Postgres."""
        return self.epoch > 0

    async def check(self) -> bool:
        """Whether the lease is still ours by the database's clock."""
        if not self.is_held:
            return False
        async with self._database.connection() as connection:
            held: bool = await connection.fetchval(_CHECK, self.name, self._holder, self.epoch)
        return held

    async def fence(self, connection: Connection) -> None:
        """Inside a transaction: raises Conflict unless the lease is ours until the commit."""
        if not await connection.fetchval(_LOCK, self.name, self._holder, self.epoch):
            raise Conflict(f"the lease {self.name} is held by another process")

    async def take(self) -> bool:
        """Takes or renews the lease."""
        async with self._database.connection() as connection:
            epoch: int | None = await connection.fetchval(
                _TAKE, self.name, self._holder, self._ttl_s
            )
        self._hear(epoch or 0)
        return self.is_held

    async def release(self) -> None:
        """Lets the next process take it at once."""
        self._hear(0)
        async with self._database.connection() as connection:
            await connection.execute(_RELEASE, self.name, self._holder)

    async def hold(self, stop: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` whenever the lease is held, until `stop`; cancels it when it is lost.

        `work` that ends or fails is started again after a second.
        """
        running: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                held = await self._renewed()
                running = await self._adjusted(running, held, work)
                await _pause(stop, self._ttl_s / 3)
        finally:
            await _cancelled(running)
            if self.is_held:
                try:
                    await self.release()
                except Unavailable:
                    log.warning("lease left to expire", lease=self.name)

    async def _renewed(self) -> bool:
        try:
            async with asyncio.timeout(self._ttl_s / 2):
                return await self.take()
        except (Unavailable, TimeoutError) as error:
            self._hear(0)
            log.warning("lease not renewed", lease=self.name, error=str(error))
            return False

    def _hear(self, epoch: int) -> None:
        self.epoch = epoch
        metrics.put(names.LEASE_HELD, int(self.is_held), lease=self.name)

    async def _adjusted(
        self,
        running: asyncio.Task[None] | None,
        held: bool,
        work: Callable[[], Awaitable[None]],
    ) -> asyncio.Task[None] | None:
        if running is not None and running.done():
            if not running.cancelled() and (error := running.exception()):
                log.error("leased work failed", lease=self.name, error=repr(error))
            running = None
        if running is not None and not (held and self.epoch == self._worked_epoch):
            # Held again is not held still: somebody else acted meanwhile, the work is outdated.
            log.warning("lease lost", lease=self.name)
            await _cancelled(running)
            running = None
        if held and running is None:
            log.info("lease held", lease=self.name, epoch=self.epoch)
            self._worked_epoch = self.epoch
            return asyncio.create_task(_run(work), name=f"lease {self.name}")
        return running


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task], timeout=5)
    if task.done() and not task.cancelled() and (error := task.exception()):
        log.warning("leased work failed as it was ended", error=repr(error))
