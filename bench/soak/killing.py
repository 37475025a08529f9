"""Which process dies next: by a seed, a service most of the time, a server now and then."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from fakes.stack import Stack
from fakes.stack_faults import kill, state

_NATS, _POSTGRES, _SESSION = 0.15, 0.08, 0.05
_UP_AGAIN_TRIES = 50


def choose_victim(dice: random.Random, services: list[str]) -> str:
    """The name of one process of the stack; `postgres-backend` is one session."""
    what = dice.random()
    if what < _NATS:
        return "nats"
    if what < _NATS + _POSTGRES:
        return "postgres"
    if what < _NATS + _POSTGRES + _SESSION:
        return "postgres-backend"
    return dice.choice(services)


async def kill_for_ever(stack: Stack, seed: int, every_s: float, killed: Counter[str]) -> None:
    """SIGKILL to one process each `every_s` seconds; counts them in `killed`."""
    dice = random.Random(seed)
    services = sorted(state(stack).health_ports)
    while True:
        await asyncio.sleep(every_s)
        victim = choose_victim(dice, services)
        for _ in range(_UP_AGAIN_TRIES):
            if kill(stack, victim):
                killed[victim] += 1
                break
            await asyncio.sleep(0.1)
