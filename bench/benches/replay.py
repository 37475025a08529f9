"""Replaying 50,000 recorded commands: rate, and the memory of the whole command.

Pushes of new images, and tags that are pointed to them and back, with another tag that follows: in
200 streams, and in one stream whose tag has moved 10,000 times at the end. The yardstick is parsing
the same file as JSON and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import orjson

from bench.figures import Figure
from bench.load import median
from bench.world import World
from fakes.derived_recording import NAMESPACE, Made

_INPUTS, _STREAMS = 50_000, 200
_TARGET_RATE, _TARGET_MIB = 1000, 300


async def run(world: World) -> list[Figure]:
    file = world.folder / "moves.rec"
    await asyncio.to_thread(_write, file)
    bare = median([_parse_all(file) for _ in range(world.settings.rounds)])
    rounds = [await asyncio.to_thread(_replay, file) for _ in range(world.settings.rounds)]
    seconds, mib = (median([each[index] for each in rounds]) for index in (0, 1))
    rate = _INPUTS / seconds
    return [
        Figure(
            f"replay --verify, {_INPUTS} commands",
            f"{rate:.0f}/s, {mib:.0f} MiB",
            target=f"≥ {_TARGET_RATE}/s, < {_TARGET_MIB} MiB",
            is_met=rate >= _TARGET_RATE and mib < _TARGET_MIB,
            yardstick=f"parsing the file as JSON {_INPUTS / bare:.0f}/s",
            ratio=bare / seconds,
            detail=f"{file.stat().st_size / 2**20:.0f} MiB, {seconds:.1f} s, the start of the "
            "process and the check of the seal included; compares changes, facts and rows",
        )
    ]


def _write(file: Path) -> None:
    made = Made()
    for number in range(_INPUTS):
        # Every fifth command is one of the hot stream.
        index = _STREAMS if number % 5 == 0 else number % _STREAMS
        _move(made, f"app-{index}", number)
    with file.open("wb") as target:
        target.writelines(made.lines())


def _move(made: Made, stream: str, number: int) -> None:
    held = made.world.find(NAMESPACE, stream)
    if held is None:
        made.tag(stream, "first", f"registry.example.com/shop/app@{_digest(number)}")
    elif "build" not in held.stream.status_tags:
        made.push(stream, "build", _digest(number))
    elif "live" not in held.stream.spec_tags:
        made.follow(stream, "live", "prod")
    elif number % 2:
        made.push(stream, "build", _digest(number))
    else:
        built = held.stream.history("build").items
        made.pin(stream, "prod", built[0 if number % 4 else -1].image)


def _digest(number: int) -> str:
    return f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"


def _parse_all(file: Path) -> float:
    started = time.perf_counter()
    with file.open("rb") as lines:
        for line in lines:
            orjson.loads(line)
    return time.perf_counter() - started


# What a process is charged for includes what its parent had when it was forked: a small one
# stands between.
_MEASURED = """
import os, sys
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(process, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _replay(file: Path) -> tuple[float, float]:
    """Seconds of the whole command, and the most memory that it had, in MiB."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "-m", "tagstream.cli", "replay", file, "--verify"],
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - started, int(done.stdout.split()[-1]) / 1024
