"""This process's part of what all replicas together may ask of one registry host.

Owns spending; the shared count is store/registry_budget.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from tagstream.errors import Unavailable
from tagstream.store.database import Database
from tagstream.store.registry_budget import take_permits

_log = structlog.get_logger(__name__)

# A replica takes this share of a second at a time: few statements, and something left for others.
_SHARES = 4
_PURSES_MAX = 1000


@dataclass(slots=True)
class _Purse:
    permits: int = 0
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedBudget:
    """`registry.limits.Budget` over Postgres: `rate` requests a second to each host."""

    def __init__(
        self, database: Database, rate: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._rate = rate
        self._clock = clock
        self._purses: dict[str, _Purse] = {}

    async def acquire(self, host: str, credential_key: str) -> None:
        """Return when one more request to `host` is allowed, whoever it is made as.

        While Postgres is away everything is allowed: nothing can be stored then anyway.
        """
        purse = self._purse(host)
        async with purse.lock:
            while not self._spend(purse):
                await self._refill(host, purse)

    def _purse(self, host: str) -> _Purse:
        purse = self._purses.get(host)
        if purse is None:
            if len(self._purses) >= _PURSES_MAX:
                self._purses = {h: p for h, p in self._purses.items() if p.lock.locked()}
            purse = self._purses[host] = _Purse()
        return purse

    def _spend(self, purse: _Purse) -> bool:
        if not purse.permits or self._clock() >= purse.until:
            return False
        purse.permits -= 1
        return True

    async def _refill(self, host: str, purse: _Purse) -> None:
        try:
            taken = await take_permits(
                self._database, host, max(1, self._rate // _SHARES), self._rate
            )
        except Unavailable as error:
            _log.warning("registry budget not shared", error=str(error))
            purse.permits, purse.until = 1, self._clock() + 1
            return
        purse.permits, purse.until = taken.permits, self._clock() + taken.remaining_s
        if not taken.permits:
            await asyncio.sleep(taken.remaining_s)
