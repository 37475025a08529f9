"""Moving one tag in a stream of 20 tags and in one of 20,000, with a watcher attached.

The moves of the two streams alternate, and each waits until the watcher has seen the one before:
what a watcher costs (the whole object, each time) is reported apart.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from bench.benches.moves import make_streams
from bench.figures import Figure
from bench.https import Connection, Watch
from bench.load import median, percentile
from bench.processes import cpu_between, measure_cpu_s
from bench.world import TwoImages, World, checked, move_tag, streams_path

_SMALL, _BIG = 20, 20_000
_MOVES = 30
_RATIO = 1.5
_TIMEOUT_S = 30.0
# Copies of the tag `a` under other names, each with an image of its own: what an import of that
# many tags leaves.
_FILL = (
    """
    INSERT INTO spec_tags (stream, tag, generation, follows, scheduled, body)
    SELECT stream, 'x' || n, generation, follows, scheduled,
           jsonb_set(body, '{name}', to_jsonb('x' || n))
    FROM spec_tags, generate_series(1, $3::int) AS n
    WHERE stream = (SELECT uid FROM streams WHERE namespace = $1 AND name = $2) AND tag = 'a'
    """,
    """
    INSERT INTO tag_items (stream, tag, seq, created, reference, image, generation, actor, cause,
                           command)
    SELECT stream, 'x' || n, seq, created, reference, 'sha256:' || md5(n::text) || md5(n::text),
           generation, actor, cause, command
    FROM tag_items, generate_series(1, $3::int) AS n
    WHERE stream = (SELECT uid FROM streams WHERE namespace = $1 AND name = $2) AND tag = 'a'
      AND retired_by IS NULL
    """,
)


class _Events:
    """Counts whole events of a watch."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.at = 0.0
        self._arrived = asyncio.Event()

    def on_data(self, watch: Watch, data: bytes, now: float) -> None:
        self.size_bytes += len(data)
        self.at = now
        if b"}\n" in data[-8:]:
            self._arrived.set()

    def begin(self) -> None:
        self.size_bytes = 0
        self._arrived.clear()

    async def wait(self) -> float:
        async with asyncio.timeout(_TIMEOUT_S):
            await self._arrived.wait()
        return self.at


async def run(world: World) -> list[Figure]:
    namespace = "bench-big"
    images = await make_streams(world, namespace, 2)
    await fill(world, namespace, "app-0", _SMALL)
    await fill(world, namespace, "app-1", _BIG)
    connection = await Connection.open(world.server)
    alone = await _alternate(connection, namespace, images, None)
    listed = checked(await connection.request("GET", f"{streams_path(namespace)}?limit=1")).json()
    version = listed["metadata"]["resourceVersion"]
    path = f"{streams_path(namespace)}?watch=true&timeoutSeconds=600&resourceVersion={version}"
    events = _Events()
    watch = await Watch.open(world.server, path, events.on_data)
    await _alternate(connection, namespace, images, events, moves=2)
    before = measure_cpu_s(world.stack.pid)
    watched = await _alternate(connection, namespace, images, events)
    used_s = cpu_between(before, measure_cpu_s(world.stack.pid)).get("api", 0.0)
    watch.close()
    connection.close()
    return [_figure(alone, "no watcher"), _figure(watched, "one watcher"), _event(watched, used_s)]


Times = dict[str, list[float]]


async def _alternate(
    connection: Connection,
    namespace: str,
    images: TwoImages,
    events: _Events | None,
    moves: int = _MOVES,
) -> Times:
    """Latencies of the moves by stream; with a watcher also of its events, and their sizes."""
    times: Times = {"app-0": [], "app-1": [], "event app-0": [], "event app-1": [], "size": []}
    for n in range(moves):
        for stream in ("app-0", "app-1"):
            if events is not None:
                events.begin()
            began = time.perf_counter()
            checked(await move_tag(connection, namespace, stream, "prod", images.nth(n)))
            times[stream].append(time.perf_counter() - began)
            if events is not None:
                times[f"event {stream}"].append(await events.wait() - began)
                times["size"].append(events.size_bytes)
            await asyncio.sleep(0.01)
    return times


def _figure(times: Times, watchers: str) -> Figure:
    small, big = median(times["app-0"]), median(times["app-1"])
    p99_ms = percentile(times["app-1"], 0.99) * 1000
    return Figure(
        f"move one of {_BIG} tags, {watchers}",
        f"p50 {big * 1000:.1f} ms, p99 {p99_ms:.1f} ms",
        f"< {_RATIO} times",
        big / small < _RATIO,
        yardstick=f"one of {_SMALL} tags, p50 {small * 1000:.1f} ms",
        ratio=big / small,
    )


def _event(times: Times, api_cpu_s: float) -> Figure:
    small, big = median(times["event app-0"]), median(times["event app-1"])
    return Figure(
        "what that watcher costs: its event",
        f"p50 {big * 1000:.0f} ms after the PUT was sent",
        yardstick=f"with {_SMALL} tags {small * 1000:.0f} ms",
        detail=f"an event is {max(times['size']) / 2**20:.1f} MiB; the api used "
        f"{api_cpu_s / _MOVES * 1000:.0f} ms of processor for one move of each stream",
    )


async def fill(world: World, namespace: str, stream: str, tags: int) -> None:
    """Adds tags to a stream that `make_streams` made."""
    connection = await asyncpg.connect(world.stack.state["postgres_url"])
    try:
        for statement in _FILL:
            await connection.execute(statement, namespace, stream, tags)
        await connection.execute("ANALYZE spec_tags, tag_items")
    finally:
        await connection.close()
