"""Running many clients at once, and what their latencies come to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.https import Connection, Server


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all are not above; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


@dataclass(slots=True)
class Load:
    """What came of one load: latencies in seconds, answers by status, how long it ran."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed_s: float = 0.0

    @property
    def rate(self) -> float:
        """Successful answers a second."""
        return self.succeeded / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def succeeded(self) -> int:
        return sum(n for status, n in self.statuses.items() if status < 300)

    @property
    def failures(self) -> str:
        """Answers that were no success, by status; empty when there were none."""
        bad = {status: n for status, n in sorted(self.statuses.items()) if status >= 300}
        return ", ".join(f"{n} x {status}" for status, n in bad.items())

    def milliseconds(self, share: float) -> float:
        return percentile(self.latencies_s, share) * 1000


# One client's next request: sends it and answers the status.
Step = Callable[[Connection, int, int], Awaitable[int]]


async def run_clients(
    server: Server, clients: int, step: Step, *, seconds: float = 0.0, steps: int = 0
) -> Load:
    """`clients` connections call `step(connection, client, n)` with n = 0, 1, ... one after
    another, for so long or (together) that many times."""
    connections = [await Connection.open(server) for _ in range(clients)]
    load = Load()
    began = time.perf_counter()
    until = began + seconds if seconds else float("inf")
    left = steps if steps else -1

    async def work(client: int, connection: Connection) -> None:
        nonlocal left
        n = 0
        while left != 0 and time.perf_counter() < until:
            left -= 1
            started = time.perf_counter()
            status = await step(connection, client, n)
            load.latencies_s.append(time.perf_counter() - started)
            load.statuses[status] += 1
            n += 1

    try:
        async with asyncio.TaskGroup() as group:
            for client, connection in enumerate(connections):
                group.create_task(work(client, connection))
    finally:
        for connection in connections:
            connection.close()
    load.elapsed_s = time.perf_counter() - began
    return load
