"""The web page of a stream with 2,000 tags: time until the answer, beside JSON of the same stream.

A page is sent in one piece, so its last byte leaves with its first. The first page of tags must
stand in what is measured.
"""

from __future__ import annotations

import time

from bench.benches.big_stream import fill
from bench.benches.moves import make_streams
from bench.figures import Figure
from bench.https import Connection, Response
from bench.load import median, percentile
from bench.world import World, checked, streams_path

_TAGS = 2000
_REQUESTS = 60
_TARGET_MS = 300.0


async def run(world: World) -> list[Figure]:
    namespace = "bench-page"
    await make_streams(world, namespace, 1)
    await fill(world, namespace, "app-0", _TAGS)
    page = f"/ui/streams/{namespace}/app-0"
    connection = await Connection.open(world.server)
    try:
        pages, json = [], []
        for number in range(_REQUESTS):
            path = f"{page}?page={number % 20 + 1}"
            pages.append(await _time(connection, path, f"of {_TAGS + 2} tags".encode()))
            json.append(await _time(connection, f"{streams_path(namespace)}/app-0", b'"x2000"'))
        overview = [await _time(connection, "/ui/events", b"Events") for _ in range(_REQUESTS)]
        size_bytes = len((await connection.request("GET", page)).body)
    finally:
        connection.close()
    return [
        _figure(f"page of a stream with {_TAGS} tags", pages, json, size_bytes),
        Figure(
            "page of events",
            f"p50 {median(overview):.1f} ms, p99 {percentile(overview, 0.99):.1f} ms",
        ),
    ]


async def _time(connection: Connection, path: str, expected: bytes) -> float:
    """Milliseconds until the whole answer is there, which must hold the text."""
    began = time.perf_counter()
    response: Response = checked(await connection.request("GET", path))
    took_ms = (time.perf_counter() - began) * 1000
    if expected not in response.body:
        raise RuntimeError(f"{path} answers without {expected.decode()}")
    return took_ms


def _figure(name: str, pages: list[float], json: list[float], size_bytes: int) -> Figure:
    slowest = max(pages)
    return Figure(
        name,
        f"p50 {median(pages):.1f} ms, slowest {slowest:.1f} ms",
        f"< {_TARGET_MS:.0f} ms",
        slowest < _TARGET_MS,
        yardstick=f"JSON of the stream, p50 {median(json):.1f} ms",
        ratio=median(pages) / median(json),
        detail=f"{_REQUESTS} pages of 100 tags in turn, {size_bytes / 1024:.0f} KiB; "
        f"the first one, templates read for it, {pages[0]:.1f} ms",
    )
