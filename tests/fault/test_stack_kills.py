"""Whatever process is killed while tags move: what was acknowledged stays, and all follows it."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Iterator

import pytest

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import (
    Client,
    connected,
    kill,
    kill_everything,
    names,
    query,
    start_again,
    until_published,
    until_ready,
    until_silent,
)
from fakes.tag_movers import World

pytestmark = pytest.mark.xdist_group("stack-faults")

_IS_LONG = os.environ.get("TAGSTREAM_TEST_PROFILE") == "ci"
_MOVES = 500 if _IS_LONG else 60
_MOVES_PER_KILL = 12 if _IS_LONG else 6
_CLIENTS = 5


@pytest.fixture
def seed() -> int:
    """Repeat a run with TAGSTREAM_TEST_SEED; the order of victims is the seed's."""
    chosen = int(os.environ.get("TAGSTREAM_TEST_SEED") or secrets.randbelow(10**6))
    print(f"TAGSTREAM_TEST_SEED={chosen}")
    return chosen


def choose_victims(stack: Stack, seed: int) -> Iterator[list[str]]:
    """Every process once in a random order, again and again; one time in four two at once."""
    dice = random.Random(seed)
    everyone = [*names(stack), "postgres-backend"]
    while True:
        dice.shuffle(everyone)
        waiting = list(everyone)
        while waiting:
            count = 2 if dice.random() < 0.25 else 1
            yield waiting[:count]
            waiting = waiting[count:]


async def kill_while_moving(world: World, seed: int, moves: int) -> list[list[str]]:
    """Move tags; kill the next victims each time that some more moves were acknowledged."""
    killed: list[list[str]] = []
    moving = asyncio.create_task(world.move(moves, seed))
    victims, begin = choose_victims(world.stack, seed), world.promises.count
    while not moving.done():
        if world.promises.count - begin >= _MOVES_PER_KILL * (len(killed) + 1):
            killed.append([name for name in next(victims) if kill(world.stack, name)])
            print("killed", *killed[-1], "after", world.promises.count - begin, "moves")
        await asyncio.sleep(0.005)
    await moving
    return killed


async def check(world: World, client: Client) -> None:
    """Everything that was promised holds, at once or after a while."""
    await until_ready(world.stack)
    assert await world.broken_promise() == ""
    took_s = await until_silent(lambda: world.unsettled(client), "everything follows")
    places = await until_published(world.stack)
    assert await world.broken_promise() == ""
    letters = await query(world.stack, "SELECT consumer, error FROM dead_letters")
    assert not letters
    refused = dict(Counter(world.promises.refusals))
    print(
        f"{world.promises.count} moves, {len(places)} events, settled after {took_s:.1f} s;",
        f"refusals: {refused}",
    )


async def test_acknowledged_moves_survive_the_death_of_any_process(
    faulty_stack: Stack, faulty_registry: FakeRegistry, seed: int
) -> None:
    stack = faulty_stack
    world = World(stack, faulty_registry, f"kills-{secrets.token_hex(3)}", _CLIENTS)
    async with connected(stack) as client:
        await world.prepare(client)
        killed = await kill_while_moving(world, seed, _MOVES)
        assert len(killed) >= 3
        await check(world, client)


async def test_a_stack_that_was_killed_as_a_whole_goes_on_where_it_was(
    faulty_stack: Stack, faulty_registry: FakeRegistry, seed: int
) -> None:
    stack = faulty_stack
    world = World(stack, faulty_registry, f"again-{secrets.token_hex(3)}", _CLIENTS)
    async with connected(stack) as client:
        await world.prepare(client)
        moving = asyncio.create_task(world.move(_MOVES // 2, seed))

        async def too_few() -> str:
            return "" if moving.done() else await world.missing(_MOVES // 4)

        await until_silent(too_few, "tags move", pause_s=0.01)
        await asyncio.to_thread(kill_everything, stack)
        await asyncio.to_thread(start_again, stack)
        await moving
        await check(world, client)
