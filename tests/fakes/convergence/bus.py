"""A bus at its worst: messages doubled, reordered, interrupted and, if asked, lost.

What it may do follows from how the services consume (bus/consume.py). Messages of different lanes
pass each other freely. Within a lane one replica hands out what it has in order, but what failed
or is handed out again comes behind its successors; with more replicas a message also passes those
that another replica is still busy with. A message is not there before it was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from fakes.convergence.faults import AFTER, BEFORE, Killed, fault
from fakes.deliveries import Delivery, Outboxes
from tagstream.errors import Conflict, Unavailable

_BUSY_REPLICAS = 3
_FAULTS_EACH = 2


@dataclass(frozen=True, slots=True)
class Perturbation:
    """How bad the bus is. `late`: inputs do not wait for what had been done before them;
    `replicas`: more than one of each service, working at once; `lossy`: some messages vanish."""

    seed: int
    late: bool
    replicas: bool
    lossy: bool

    @classmethod
    def of(cls, seed: int) -> Perturbation:
        return cls(seed, late=bool(seed & 1), replicas=bool(seed & 2), lossy=bool(seed & 4))


@dataclass(slots=True, eq=False)
class _Held:
    delivery: Delivery
    left: int
    faults: int = 0


@dataclass(slots=True)
class Bus:
    """What waits, and what was done with it (`story`, for a failure's message)."""

    outboxes: Outboxes
    handle: Callable[[Delivery], Awaitable[object]]
    how: Perturbation
    random: Random
    held: list[_Held] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    async def collect(self) -> None:
        """Take over what was committed meanwhile."""
        for delivery in await self.outboxes.read():
            if self.how.lossy and self.random.random() < 0.2:
                self._tell(delivery, "lost")
                continue
            times = self.random.choice((1, 1, 2, 3))
            if self.how.replicas:
                # One is still busy with it when it is handed to another.
                self.held += [_Held(delivery, 1) for _ in range(times)]
            else:
                self.held.append(_Held(delivery, times))

    async def step(self) -> bool:
        """Hand out a message, or with replicas a few at once; False when none waits."""
        await self.collect()
        if not self.held:
            return False
        chosen = [self._take()]
        if self.how.replicas:
            more = min(self.random.randrange(_BUSY_REPLICAS), len(self.held))
            chosen += [self._take() for _ in range(more)]
        await asyncio.gather(*(self._deliver(held) for held in chosen))
        return True

    def _take(self) -> _Held:
        ahead: dict[tuple[str, str], int] = {}
        ready: list[_Held] = []
        for held in self.held:
            lane = held.delivery.consumer, held.delivery.lane
            ahead[lane] = ahead.get(lane, 0) + 1
            if ahead[lane] <= (_BUSY_REPLICAS if self.how.replicas else 1):
                ready.append(held)
        chosen = self.random.choice(ready)
        self.held.remove(chosen)
        return chosen

    async def _deliver(self, held: _Held) -> None:
        when = self.random.choice(("", "", "", BEFORE, AFTER)) if held.faults < _FAULTS_EACH else ""
        try:
            result = await asyncio.create_task(self._handle(held.delivery, when))
        except (Killed, Conflict, Unavailable) as error:
            held.faults += 1
            result = error
        else:
            held.left -= 1
        self._tell(held.delivery, str(result))
        if held.left:
            self.held.insert(self.random.randint(0, len(self.held)), held)

    async def _handle(self, delivery: Delivery, when: str) -> object:
        fault.set(when)
        return await self.handle(delivery)

    def _tell(self, delivery: Delivery, what: str) -> None:
        self.story.append(f"{delivery.number} {delivery.consumer} {delivery.lane[:40]}: {what}")
