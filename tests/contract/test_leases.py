"""Leases on a real Postgres: one holder, quick take-over, and no late deeds of an old one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tagstream.errors import Conflict
from tagstream.store.database import Database
from tagstream.store.leases import TTL_S, Lease

# A holder renews after a third of it and has half of it to hear the answer: no pause of a busy
# machine takes a lease away.
SHORT_S = 1.0
TAKEN_OVER_WITHIN_S = 5.0


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> float:
    """Seconds until `condition` held."""
    started = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - conditions of tests signal nothing
            await asyncio.sleep(0.01)
    return time.monotonic() - started


async def forever() -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def holding(
    lease: Lease, work: Callable[[], Awaitable[None]] = forever
) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(lease.hold(stop, work))
    yield stop
    stop.set()
    await task


async def test_one_at_a_time_holds_it_and_the_epoch_grows(database: Database) -> None:
    first, second = (Lease(database, "relay") for _ in range(2))
    assert await first.take()
    assert (first.epoch, await second.take(), second.is_held) == (1, False, False)
    assert await first.take()
    assert first.epoch == 1, "renewing is no taking"
    await first.release()
    assert await second.take()
    assert second.epoch == 2
    assert await second.check()
    assert not await first.check()


async def test_names_are_independent(database: Database) -> None:
    assert await Lease(database, "relay").take()
    assert await Lease(database, "sweep").take()


async def test_many_that_start_at_once_agree_on_one(database: Database) -> None:
    leases = [Lease(database, "relay") for _ in range(16)]
    assert sum(await asyncio.gather(*(lease.take() for lease in leases))) == 1


async def test_a_holder_that_ends_well_is_followed_at_once(database: Database) -> None:
    first, second = (Lease(database, "relay") for _ in range(2))
    async with holding(first):
        await until(lambda: first.is_held)
    async with holding(second):
        # One that was not let go is held for two thirds of its time at least.
        assert await until(lambda: second.is_held) < TTL_S * 2 / 3


async def test_a_holder_that_died_is_followed_within_five_seconds(database: Database) -> None:
    dead, heir = (Lease(database, "relay") for _ in range(2))
    assert await dead.take()
    async with holding(heir):
        await until(lambda: heir.is_held, TAKEN_OVER_WITHIN_S)
    assert not await dead.check()


async def test_a_holder_that_was_frozen_cannot_act(database: Database) -> None:
    frozen, heir = Lease(database, "relay", ttl_s=SHORT_S), Lease(database, "relay")
    assert await frozen.take()
    await asyncio.sleep(SHORT_S * 1.2)
    async with database.connection() as connection:
        with pytest.raises(Conflict, match="held by another process"):
            await frozen.fence(connection)
    assert await heir.take()
    assert frozen.is_held, "it does not know yet"
    async with database.connection() as connection:
        with pytest.raises(Conflict):
            await frozen.fence(connection)
        await heir.fence(connection)


async def test_nobody_takes_over_between_the_fence_and_the_commit(database: Database) -> None:
    holder, heir = (Lease(database, "relay", ttl_s=SHORT_S) for _ in range(2))
    assert await holder.take()
    async with database.connection() as connection, connection.transaction():
        await holder.fence(connection)
        await asyncio.sleep(SHORT_S * 1.2)
        taking = asyncio.create_task(heir.take())
        await asyncio.sleep(SHORT_S)
        assert not taking.done(), "expired, but the fenced transaction is still open"
    assert await taking
    assert heir.epoch == 2


async def test_work_runs_while_held_and_is_cancelled_when_lost(database: Database) -> None:
    ended: list[int] = []
    lease = Lease(database, "relay", ttl_s=SHORT_S)

    async def work() -> None:
        epoch = lease.epoch
        try:
            await forever()
        finally:
            ended.append(epoch)

    async with holding(lease, work):
        await until(lambda: lease.is_held)
        async with database.connection() as connection:
            await connection.execute("UPDATE leases SET holder = 'other', epoch = epoch + 1")
        await until(lambda: ended == [1])
        await until(lambda: lease.epoch == 3)
    assert ended == [1, 3]


async def test_work_is_started_anew_when_somebody_else_held_it_meanwhile(
    database: Database,
) -> None:
    """A process frozen through a whole reign of another finds itself the holder again."""
    epochs: list[int] = []
    lease = Lease(database, "relay", ttl_s=SHORT_S)

    async def work() -> None:
        epochs.append(lease.epoch)
        await forever()

    async with holding(lease, work):
        await until(lambda: epochs == [1])
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE leases SET holder = 'other', epoch = epoch + 1, expires_at = '-infinity'"
            )
        await until(lambda: epochs == [1, 3])


async def test_work_that_fails_is_started_again(database: Database) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        raise RuntimeError("no luck")

    async with holding(Lease(database, "relay", ttl_s=SHORT_S), work):
        await until(lambda: len(runs) >= 3)


async def test_a_database_that_is_away_ends_the_work(database: Database) -> None:
    lease = Lease(database, "relay", ttl_s=SHORT_S)
    async with holding(lease):
        await until(lambda: lease.is_held)
        async with database.connection() as connection, connection.transaction():
            await connection.execute("LOCK TABLE leases IN ACCESS EXCLUSIVE MODE")
            await until(lambda: not lease.is_held)
        await until(lambda: lease.is_held)
