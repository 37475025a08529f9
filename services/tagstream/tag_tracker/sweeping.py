"""The clock: ordering the imports of scheduled streams when they are due
(spec/image-api-and-import.md §7.3). One process at a time does it, under a lease.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from tagstream.bus.outcomes import Outcome
from tagstream.errors import TagstreamError
from tagstream.store.imports import claim_due, refresh_schedule
from tagstream.streams.schedule import TokenBucket
from tagstream.tag_tracker.deps import Deps, Fence
from tagstream.tag_tracker.ordering import SCHEDULED, order_imports
from tagstream.telemetry import metrics, names

_log = structlog.get_logger(__name__)

_AT_ONCE = 100
_REFRESH_MAX = timedelta(seconds=10)


@dataclass(slots=True)
class ScheduleSweep:
    """One holder's sweep. `period` is the time between two checks of a stream.

    A failed check is tried again a period later, as the rule says, not sooner.
    """

    deps: Deps
    period: timedelta
    per_minute: int
    fence: Fence | None = None
    _bucket: TokenBucket = field(init=False)
    _refresh_in: timedelta = field(init=False, default=timedelta(0))

    def __post_init__(self) -> None:
        self._bucket = TokenBucket.full(self.per_minute, self.deps.clock())

    async def step(self, since_last: timedelta = timedelta(seconds=1)) -> int:
        """Order what is due now, as far as the tokens go; how many streams were ordered."""
        now = self.deps.clock()
        self._refresh_in -= since_last
        async with self.deps.database.connection() as connection:
            if self._refresh_in <= timedelta(0):
                self._refresh_in = min(_REFRESH_MAX, self.period / 4)
                await refresh_schedule(connection, now, self.period)
            most = self._bucket.available(now, _AT_ONCE)
            due = await claim_due(connection, now, self.period, most) if most else []
        metrics.put(names.IMPORTS_DUE, len(due))
        ordered = 0
        for namespace, name in due:
            ordered += await self._order(namespace, name)
        # A stream that had nothing to ask for costs no registry anything.
        self._bucket = self._bucket.spend(ordered, now)
        return ordered

    async def _order(self, namespace: str, name: str) -> bool:
        try:
            outcome = await order_imports(self.deps, namespace, name, SCHEDULED, fence=self.fence)
        except TagstreamError as error:
            _log.warning(
                "scheduled import not ordered", stream=f"{namespace}/{name}", error=str(error)
            )
            return False
        return outcome is Outcome.APPLIED
