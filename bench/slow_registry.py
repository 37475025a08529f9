"""A registry that takes its time: every answer comes after a delay, however many are asked for.

Run as a process of its own: python -m bench.slow_registry DELAY_S IMAGES; prints its address. Each
image is `bench/slow-<n>:latest`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from bench import ROOT
from fakes.misbehaviours import slow
from fakes.registry import FakeRegistry


async def _serve(delay_s: float, images: int) -> None:
    async with FakeRegistry() as registry:
        for number in range(images):
            registry.add_image(repository(number), "latest")
        registry.misbehave("/", slow(delay_s))
        print(registry.host, flush=True)
        await asyncio.Event().wait()


def repository(number: int) -> str:
    """Of the nth image."""
    return f"bench/slow-{number}"


@asynccontextmanager
async def run_slow_registry(delay_s: float, images: int) -> AsyncIterator[str]:
    """Serves until the block ends; yields `127.0.0.1:port`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.slow_registry", str(delay_s), str(images)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1]), int(sys.argv[2])))
