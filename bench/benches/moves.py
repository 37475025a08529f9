"""Tag moves by PUT on imagestreamtags, beside the identical SQL; on many streams and on one."""

from __future__ import annotations

import asyncio
import json
import sys

from bench import ROOT
from bench.figures import Figure, judge
from bench.https import Connection
from bench.load import Load, Step, median, run_clients
from bench.registry import build_image, push_images
from bench.world import TwoImages, World, move_tag

_STREAMS, _CLIENTS = 80, 8
_RATIO = 0.25
# Fluctuation between two measurements of the same thing on a machine that does other things too.
_NOISE = 0.15


async def make_streams(world: World, namespace: str, count: int) -> TwoImages:
    """`count` streams `app-N`, each with the same two images under its tags `a` and `b`."""
    repository = f"bench/{namespace}"
    images = {tag: build_image(f"{repository}:{tag}") for tag in ("a", "b")}
    await push_images(world.registry, repository, images)
    sources = {tag: world.pull_spec(repository, image) for tag, image in images.items()}
    await world.make_namespace(namespace)
    for n in range(count):
        await world.import_tags(namespace, f"app-{n}", sources)
    return TwoImages([image.digest for image in images.values()])


def move_step(namespace: str, streams: int, clients: int, images: TwoImages) -> Step:
    """Each client moves the tag `prod` of its own share of the streams to and fro."""
    share = streams // clients

    async def step(connection: Connection, client: int, n: int) -> int:
        stream = f"app-{client * share + n % share}"
        digest = images.nth(n // share)
        return (await move_tag(connection, namespace, stream, "prod", digest)).status

    return step


async def run(world: World) -> list[Figure]:
    return [*await _many_streams(world), *await _one_stream(world)]


async def _many_streams(world: World) -> list[Figure]:
    namespace, seconds = "bench-move", world.settings.seconds
    images = await make_streams(world, namespace, _STREAMS)
    step = move_step(namespace, _STREAMS, _CLIENTS, images)
    await run_clients(world.server, _CLIENTS, step, steps=2 * _STREAMS)
    loads: list[Load] = []
    sql_rates: list[float] = []
    for _ in range(world.settings.rounds):
        loads.append(await run_clients(world.server, _CLIENTS, step, seconds=seconds))
        sql_rates.append(await _measure_sql(world, images, seconds))
    ratios = [load.rate / rate for load, rate in zip(loads, sql_rates, strict=True)]
    failures = "; ".join(load.failures for load in loads if load.failures)
    figure = Figure(
        f"move a tag, {_CLIENTS} clients, {_STREAMS} streams",
        f"{median([load.rate for load in loads]):.0f}/s, {_latency(loads)}",
        yardstick=f"identical SQL {median(sql_rates):.0f}/s",
        ratio=median(ratios),
        detail=failures,
    )
    return [judge(figure, ratio_at_least=_RATIO)]


def _latency(loads: list[Load]) -> str:
    p50_ms = median([load.milliseconds(0.5) for load in loads])
    p99_ms = median([load.milliseconds(0.99) for load in loads])
    return f"p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms"


async def _measure_sql(world: World, images: TwoImages, seconds: float) -> float:
    """Transactions a second of the statements of a move, by as many connections, in a process
    and a database of their own on the same Postgres."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.move_sql", world.stack.state["postgres_url"]),
        *(str(seconds), str(_CLIENTS), str(_STREAMS), *images.digests),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    answer = (await process.communicate())[0]
    return float(json.loads(answer)["per_s"])


async def _one_stream(world: World) -> list[Figure]:
    namespace, seconds = "bench-one", world.settings.seconds
    images = await make_streams(world, namespace, 1)

    async def own_tag(connection: Connection, client: int, n: int) -> int:
        response = await move_tag(connection, namespace, "app-0", f"t{client}", images.nth(n))
        return response.status

    count = 0

    async def same_tag(connection: Connection, client: int, n: int) -> int:
        nonlocal count
        count += 1
        return (await move_tag(connection, namespace, "app-0", "prod", images.nth(count))).status

    own = await run_clients(world.server, _CLIENTS, own_tag, seconds=seconds)
    fresh = await run_clients(world.server, _CLIENTS, same_tag, seconds=seconds)
    left = max(world.settings.history_moves - fresh.succeeded, 0)
    between = await run_clients(world.server, _CLIENTS, same_tag, steps=left) if left else Load()
    late = await run_clients(world.server, _CLIENTS, same_tag, seconds=seconds)
    loads = [own, fresh, between, late]
    failures = "; ".join(load.failures for load in loads if load.failures)
    clean = not failures
    history = fresh.succeeded + between.succeeded
    return [
        Figure(
            f"{_CLIENTS} clients on one stream, each its own tag",
            f"{own.rate:.0f}/s, {_latency([own])}",
            "no 409s; about 200/s",
            clean,
            detail=failures,
        ),
        Figure(
            f"{_CLIENTS} clients on one stream, all the same tag",
            f"{fresh.rate:.0f}/s, {_latency([fresh])}",
            "no 409s; about 200/s",
            clean,
        ),
        Figure(
            f"the same after {history} moves of that tag",
            f"{late.rate:.0f}/s, {_latency([late])}",
            "does not fall",
            late.rate >= fresh.rate * (1 - _NOISE),
            yardstick=f"with no history {fresh.rate:.0f}/s",
            ratio=late.rate / fresh.rate if fresh.rate else 0.0,
        ),
    ]
