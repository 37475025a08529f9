"""`python -m bench`: starts a stack and a registry, runs the benches, prints and writes figures."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.benches import (
    big_stream,
    fanout,
    imports,
    memory,
    moves,
    page,
    prune,
    reads,
    relay,
    replay,
    replicas,
    samples,
    skopeo,
    start,
    triggers,
)
from bench.figures import Figure, describe_run, render_text, write_results
from bench.world import Settings, World
from fakes.docker_registry import find_binary, run_docker_registry

Bench = Callable[[World], Awaitable[list[Figure]]]

# In this order: memory is measured on a stack that has done nothing else.
_BENCHES: dict[str, Bench] = {
    "memory": memory.run,
    "import": imports.run,
    "read": reads.run,
    "move": moves.run,
    "trigger": triggers.run,
    "fanout": fanout.run,
    "relay": relay.run,
    "big-stream": big_stream.run,
    "skopeo": skopeo.run,
    "samples": samples.run,
    "prune": prune.run,
    "page": page.run,
    "replay": replay.run,
    "replicas": replicas.run,
}
_BENCH_TIMEOUT_S = 240.0
_RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class _Arguments:
    names: Sequence[str]
    settings: Settings
    writes: bool


def _parse(argv: Sequence[str]) -> _Arguments:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ["start", *_BENCHES]
    parser.add_argument("--only", action="append", choices=names, help="repeat it for more")
    parser.add_argument("--quick", action="store_true", help="one round of each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load")
    parser.add_argument("--soak", type=float, default=60.0, help="seconds of moves before memory")
    parser.add_argument("--write", action="store_true", help="RESULTS.md, even after --only")
    given = parser.parse_args(argv)
    settings = Settings(
        rounds=1 if given.quick else given.rounds,
        seconds=given.seconds,
        soak_s=min(given.soak, 15.0) if given.quick else given.soak,
        history_moves=1000 if given.quick else 5000,
    )
    return _Arguments(given.only or names, settings, given.write or not given.only)


@contextmanager
def _new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tagstream-bench-") as name:
        folder = Path(name)
        # PostgreSQL does not run as root, and has to get in.
        folder.chmod(0o755)
        (folder / "registry").mkdir()
        yield folder


async def _run(arguments: _Arguments) -> list[Figure]:
    # Whoever ends us early must not find a stack left behind.
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    if find_binary() is None:
        sys.exit("docker-registry is not installed: apt-get install docker-registry")
    figures: list[Figure] = []
    with _new_folder() as folder:
        stack, started = await start.run(folder / "stack", arguments.settings)
        figures += started if "start" in arguments.names else []
        try:
            with run_docker_registry(folder / "registry") as registry:
                world = World(stack, stack.server(), registry, folder, arguments.settings)
                for bench in _BENCHES:
                    if bench in arguments.names:
                        figures += await _run_one(bench, world)
        finally:
            await stack.stop()
    return figures


async def _run_one(name: str, world: World) -> list[Figure]:
    """A bench that fails is a line in the table, and a missed target."""
    began = time.perf_counter()
    limit_s = _BENCH_TIMEOUT_S + (2 * world.settings.soak_s if name == "memory" else 0.0)
    try:
        async with asyncio.timeout(limit_s):
            figures = await _BENCHES[name](world)
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        if isinstance(error, BaseExceptionGroup):
            words += f" ({error.exceptions[0]})"
        figures = [Figure(name, "failed", is_met=False, detail=words[:1000])]
    print(render_text(figures), f"\n  [{name}: {time.perf_counter() - began:.0f} s]\n", flush=True)
    return figures


def main() -> None:
    arguments = _parse(sys.argv[1:])
    facts = describe_run()
    began = time.perf_counter()
    figures = uvloop.run(_run(arguments))
    facts.append(f"took {time.perf_counter() - began:.0f} s, {arguments.settings.rounds} rounds")
    print("\n".join([*facts, "", render_text(figures)]))
    if arguments.writes:
        write_results(_RESULTS, figures, facts)
    sys.exit(1 if any(figure.measured == "failed" for figure in figures) else 0)


if __name__ == "__main__":
    main()
