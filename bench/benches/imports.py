"""20 streams of 50 tags through POST imagestreamimports by 8 clients, beside a bare HTTP client
that does the same GETs of the same registry with as many requests under way."""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor

from bench.figures import Figure, judge
from bench.https import Connection
from bench.load import median, run_clients
from bench.registry import build_image, measure_bare, push_images
from bench.world import World, checked, import_body, imports_path, require_imported

_STREAMS, _TAGS, _CLIENTS = 20, 50, 8
# What the importer allows itself to one host.
_PARALLEL = 32
_RATIO = 0.60


async def run(world: World) -> list[Figure]:
    rates, bare_rates, ratios, latencies_s = [], [], [], []
    for n in range(world.settings.rounds):
        wanted = await _push(world.registry, n)
        rate, slow_s = await _import(world, n)
        with ProcessPoolExecutor(1) as pool:
            loop = asyncio.get_running_loop()
            bare_s = await loop.run_in_executor(
                pool, measure_bare, world.registry, wanted, _PARALLEL
            )
        rates.append(rate)
        bare_rates.append(len(wanted) / bare_s)
        ratios.append(rates[-1] / bare_rates[-1])
        latencies_s.append(slow_s)
    figure = Figure(
        f"import {_STREAMS} streams x {_TAGS} tags, {_CLIENTS} clients",
        f"{median(rates):.0f} tags/s",
        yardstick=f"bare aiohttp, same GETs {median(bare_rates):.0f} tags/s",
        ratio=median(ratios),
        detail=f"docker-registry; slowest import of 50 tags {median(latencies_s):.2f} s",
    )
    return [judge(figure, ratio_at_least=_RATIO)]


async def _push(registry: str, n: int) -> list[tuple[str, str]]:
    """New images for every round: nothing may come from a cache."""
    wanted = []
    for stream in range(_STREAMS):
        repository = f"bench/import-{n}-{stream}"
        images = {f"v{tag}": build_image(f"{repository}:{tag}") for tag in range(_TAGS)}
        await push_images(registry, repository, images)
        wanted += [(repository, tag) for tag in images]
    return wanted


async def _import(world: World, n: int) -> tuple[float, float]:
    """Tags a second, and the slowest request."""
    namespace = f"bench-import-{n}"
    await world.make_namespace(namespace)
    streams = iter(range(_STREAMS))

    async def step(connection: Connection, client: int, count: int) -> int:
        stream = next(streams)
        repository = f"{world.registry}/bench/import-{n}-{stream}"
        sources = {f"v{tag}": f"{repository}:v{tag}" for tag in range(_TAGS)}
        body = import_body(namespace, f"app-{stream}", sources)
        response = await connection.request("POST", imports_path(namespace), body)
        require_imported(checked(response).json())
        return response.status

    load = await run_clients(world.server, _CLIENTS, step, steps=_STREAMS)
    return load.rate * _TAGS, max(load.latencies_s)
