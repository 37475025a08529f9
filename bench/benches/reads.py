"""GET of one ImageStreamTag by 32 clients over TLS with keep-alive, beside the same HTTP server
returning a constant of the same size. The client is `wrk` where it is installed."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import replace

from bench.benches.moves import make_streams
from bench.constant import run_constant
from bench.figures import Figure, judge
from bench.https import Connection, Server
from bench.load import median, run_clients
from bench.world import World, tag_path

_CLIENTS = 32
_RATIO = 0.35
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


async def run(world: World) -> list[Figure]:
    namespace = "bench-read"
    await make_streams(world, namespace, 1)
    path = tag_path(namespace, "app-0", "a")
    server = replace(world.stack.server(), token=await world.make_token())
    connection = await Connection.open(server)
    body = (await connection.request("GET", path)).body
    connection.close()
    rates, constant_rates, p50_ms, p99_ms, failures = [], [], [], [], 0
    async with run_constant(world.stack.pki, body, world.folder) as port:
        constant = replace(server, port=port)
        for _ in range(world.settings.rounds):
            rate, p50, p99, failed = await _load(server, path, world.settings.seconds)
            rates.append(rate)
            p50_ms.append(p50)
            p99_ms.append(p99)
            failures += failed
            constant_rates.append((await _load(constant, path, world.settings.seconds))[0])
    ratios = [rate / other for rate, other in zip(rates, constant_rates, strict=True)]
    client = "wrk" if shutil.which("wrk") else "a Python client (wrk is not installed)"
    figure = Figure(
        f"GET one ImageStreamTag, {_CLIENTS} clients",
        f"{median(rates):.0f}/s, p50 {median(p50_ms):.1f} ms, p99 {median(p99_ms):.1f} ms",
        yardstick=f"same server, constant {median(constant_rates):.0f}/s",
        ratio=median(ratios),
        detail=f"{len(body)} bytes, bearer token, client {client}"
        + (f"; {failures} failures" if failures else ""),
    )
    return [judge(figure, ratio_at_least=_RATIO)]


async def _load(server: Server, path: str, seconds: float) -> tuple[float, float, float, int]:
    """Requests a second, p50 and p99 in ms, failures."""
    if shutil.which("wrk"):
        return await _wrk(server, path, seconds)

    async def step(connection: Connection, client: int, n: int) -> int:
        return (await connection.request("GET", path)).status

    load = await run_clients(server, _CLIENTS, step, seconds=seconds)
    failed = sum(load.statuses.values()) - load.succeeded
    return load.rate, load.milliseconds(0.5), load.milliseconds(0.99), failed


async def _wrk(server: Server, path: str, seconds: float) -> tuple[float, float, float, int]:
    process = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{_CLIENTS}", f"-d{round(seconds)}s", "--latency"),
        *("-H", f"Authorization: Bearer {server.token}", "-H", "Accept: application/json"),
        f"https://{server.host}:{server.port}{path}",
        stdout=asyncio.subprocess.PIPE,
    )
    text = (await process.communicate())[0].decode()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise RuntimeError(f"wrk said: {text}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return float(rate[1]), _wrk_ms(text, "50%"), _wrk_ms(text, "99%"), int(bad[1]) if bad else 0


def _wrk_ms(text: str, share: str) -> float:
    found = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", text)
    return float(found[1]) * _UNITS_MS[found[2]] if found else 0.0
