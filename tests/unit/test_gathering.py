"""Work that is done together: who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tagstream.trigger_dispatcher.gathering import Gathering


class Batches:
    """Notes what is done together, and does it at once or when it is allowed."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def run(self, items: Sequence[str]) -> list[str]:
        self.done.append(list(items))
        await self.go_on.wait()
        return [item.upper() for item in items]


async def test_what_comes_alone_goes_alone() -> None:
    batches, gathering = Batches(), Gathering[str, str](patience_s=60)
    assert await gathering.add("a", batches.run) == "A"
    assert await gathering.add("b", batches.run) == "B"
    assert batches.done == [["a"], ["b"]]


async def test_what_comes_while_a_batch_is_under_way_makes_the_next_one() -> None:
    batches, gathering = Batches(), Gathering[str, str]()
    batches.go_on.clear()
    adding = [asyncio.create_task(gathering.add(one, batches.run)) for one in "a"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    adding += [asyncio.create_task(gathering.add(one, batches.run)) for one in "bc"]
    await asyncio.sleep(0)
    batches.go_on.set()
    assert await asyncio.gather(*adding) == ["A", "B", "C"]
    assert batches.done == [["a"], ["b", "c"]]


async def test_what_was_announced_is_waited_for() -> None:
    batches, gathering = Batches(), Gathering[str, str](patience_s=60)
    on_its_way = asyncio.Event()

    async def bring(item: str) -> str:
        with gathering.coming():
            await on_its_way.wait()
        return await gathering.add(item, batches.run)

    later = [asyncio.create_task(bring(item)) for item in "bc"]
    await asyncio.sleep(0)
    first = asyncio.create_task(gathering.add("a", batches.run))
    await asyncio.sleep(0.01)
    assert not batches.done
    on_its_way.set()
    assert await asyncio.gather(first, *later) == ["A", "B", "C"]
    assert batches.done == [["a", "b", "c"]]


async def test_patience_ends() -> None:
    batches, gathering = Batches(), Gathering[str, str](patience_s=0.01)
    with gathering.coming():
        assert await gathering.add("a", batches.run) == "A"


async def test_what_does_not_come_after_all_is_not_waited_for() -> None:
    batches, gathering = Batches(), Gathering[str, str](patience_s=60)
    with gathering.coming():
        adding = asyncio.create_task(gathering.add("a", batches.run))
        await asyncio.sleep(0)
    assert await adding == "A"
