"""One change and many watchers: from sending the PUT until the last watcher has the event."""

from __future__ import annotations

import asyncio
import time

from bench.benches.moves import make_streams
from bench.figures import Figure
from bench.https import Connection, Watch
from bench.load import percentile
from bench.world import World, checked, move_tag, streams_path

_CHANGES = 20
_PAUSE_S = 0.2
_TIMEOUT_S = 20.0
_OPENING_AT_ONCE = 50
# Watchers, and p50 and p99 in ms that the last one of them may take.
_TARGETS = ((100, 15.0, 50.0), (1000, 70.0, 200.0))


class _Arrivals:
    """When each watcher got the event of the change that is under way."""

    def __init__(self) -> None:
        self.expected = 0
        self.at: dict[Watch, float] = {}
        self._all = asyncio.Event()

    def begin(self) -> None:
        self.at = {}
        self._all.clear()

    def on_data(self, watch: Watch, data: bytes, now: float) -> None:
        # Each event is one line; it may come in pieces, and the last one counts.
        if b"}\n" in data:
            self.at[watch] = now
            if len(self.at) == self.expected:
                self._all.set()

    async def wait(self) -> list[float]:
        async with asyncio.timeout(_TIMEOUT_S):
            await self._all.wait()
        return list(self.at.values())


async def run(world: World) -> list[Figure]:
    return [
        await _measure(world, watchers, p50_ms, p99_ms) for watchers, p50_ms, p99_ms in _TARGETS
    ]


async def _measure(world: World, watchers: int, limit_p50: float, limit_p99: float) -> Figure:
    namespace = f"bench-watch-{watchers}"
    images = await make_streams(world, namespace, 1)
    connection = await Connection.open(world.server)
    arrivals = _Arrivals()
    watches = await _open(world, namespace, watchers, connection, arrivals)
    arrivals.expected = watchers
    last_s, each_s, answered_s = [], [], []
    for n in range(_CHANGES):
        await asyncio.sleep(_PAUSE_S)
        arrivals.begin()
        began = time.perf_counter()
        checked(await move_tag(connection, namespace, "app-0", "prod", images.nth(n)))
        answered_s.append(time.perf_counter() - began)
        times = [at - began for at in await arrivals.wait()]
        last_s.append(max(times))
        each_s += times
    for watch in watches:
        watch.close()
    connection.close()
    p50_ms, p99_ms = percentile(last_s, 0.5) * 1000, percentile(last_s, 0.99) * 1000
    return Figure(
        f"one change to {watchers} watchers, all have it",
        f"p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms",
        f"p50 < {limit_p50:.0f} ms, p99 < {limit_p99:.0f} ms",
        p50_ms < limit_p50 and p99_ms < limit_p99,
        yardstick=f"the PUT's own answer, p50 {percentile(answered_s, 0.5) * 1000:.0f} ms",
        detail=f"from sending the PUT; each single watcher p50 "
        f"{percentile(each_s, 0.5) * 1000:.0f} ms, p99 {percentile(each_s, 0.99) * 1000:.0f} ms",
    )


async def _open(
    world: World, namespace: str, count: int, connection: Connection, arrivals: _Arrivals
) -> list[Watch]:
    listed = checked(await connection.request("GET", streams_path(namespace))).json()
    version = listed["metadata"]["resourceVersion"]
    path = f"{streams_path(namespace)}?watch=true&timeoutSeconds=600&resourceVersion={version}"
    limit = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def open_one() -> Watch:
        async with limit:
            return await Watch.open(world.server, path, arrivals.on_data)

    return list(await asyncio.gather(*(open_one() for _ in range(count))))
