"""How long `tagstream up` takes until its ready line: on nothing, and again on the same data."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.figures import Figure
from bench.load import median
from bench.stack import Stack, start_stack
from bench.world import Settings

_FIRST_S, _SECOND_S = 10.0, 4.0
_PAUSE_S = 1.0


async def run(folder: Path, settings: Settings) -> tuple[Stack, list[Figure]]:
    """The figures, and the stack of the last start, which the other benches use."""
    first_s, second_s, stopped_s = [], [], []
    for n in range(settings.rounds):
        stack = await start_stack(folder.with_name(f"{folder.name}-{n}"))
        first_s.append(stack.start_s)
        stopped_s.append(await stack.stop())
        stack = await start_stack(stack.directory.path)
        second_s.append(stack.start_s)
        if n < settings.rounds - 1:
            stopped_s.append(await stack.stop())
    await asyncio.sleep(_PAUSE_S)
    first, second = median(first_s), median(second_s)
    stop = f"stopping takes {median(stopped_s):.1f} s"
    return stack, [
        Figure("stack ready, first start", f"{first:.1f} s", "< 10 s", first < _FIRST_S),
        Figure(
            "stack ready, second start",
            f"{second:.1f} s",
            "< 4 s",
            second < _SECOND_S,
            detail=f"{stop}; all starts: "
            + ", ".join(f"{value:.1f}" for value in [*first_s, *second_s])
            + " s",
        ),
    ]
