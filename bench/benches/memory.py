"""Memory of the whole stack (six services, PostgreSQL, NATS, the supervisor) and its idle processor
time: fresh, and after tags have moved for a while."""

from __future__ import annotations

import asyncio

from bench.benches.moves import make_streams, move_step
from bench.figures import Figure
from bench.load import run_clients
from bench.processes import cpu_between, measure_cpu_s, measure_pss_mib
from bench.world import World

_IDLE_S = 20.0
_SETTLE_S = 5.0
_FRESH_MIB, _USED_MIB, _IDLE_CPU = 600.0, 800.0, 0.03


async def run(world: World) -> list[Figure]:
    await asyncio.sleep(_SETTLE_S)
    figures = await _measure(world, "idle, fresh", _FRESH_MIB)
    images = await make_streams(world, "bench-soak", 80)
    soak_s = world.settings.soak_s
    load = await run_clients(
        world.server, 8, move_step("bench-soak", 80, 8, images), seconds=soak_s
    )
    await asyncio.sleep(_SETTLE_S)
    what = f"after {soak_s:.0f} s of tag moves ({load.succeeded})"
    figures += await _measure(world, what, _USED_MIB)
    if load.failures:
        figures.append(Figure("soak", load.failures, "no failures", False))
    return figures


async def _measure(world: World, when: str, limit_mib: float) -> list[Figure]:
    pid = world.stack.pid
    before = measure_cpu_s(pid)
    await asyncio.sleep(_IDLE_S)
    used = cpu_between(before, measure_cpu_s(pid))
    share = sum(used.values()) / _IDLE_S
    sizes = measure_pss_mib(pid)
    total = sum(sizes.values())
    return [
        Figure(
            f"memory (PSS) whole stack, {len(sizes)} processes, {when}",
            f"{total:.0f} MiB",
            f"< {limit_mib:.0f} MiB",
            total < limit_mib,
            detail=", ".join(f"{name} {size:.0f}" for name, size in sizes.items()) + " MiB",
        ),
        Figure(
            f"idle processor time {when}",
            f"{share:.1%} of a core",
            "< 3 %",
            share < _IDLE_CPU,
            detail=", ".join(f"{n} {s / _IDLE_S:.1%}" for n, s in used.items() if s > 0),
        ),
    ]
