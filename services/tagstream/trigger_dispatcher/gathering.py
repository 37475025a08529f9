"""Work on many things at once that would each cost a commit: what arrives while a batch is under
way makes the next one. A thing that comes alone goes alone; one that others have announced
themselves to waits for them, a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_AT_ONCE = 64


class Gathering(Generic[Item, Result]):
    """Batches for one kind of work. `run` answers one result for each item, in their order.

    `patience_s` is how long what has come waits for what was announced.
    """

    def __init__(self, patience_s: float = 0.0) -> None:
        self._patience_s = patience_s
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None
        self._coming = 0
        self._nobody_comes = asyncio.Event()
        self._nobody_comes.set()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Announces an item that may come when the block ends."""
        self._coming += 1
        self._nobody_comes.clear()
        try:
            yield
        finally:
            self._coming -= 1
            if not self._coming:
                self._nobody_comes.set()

    async def add(
        self, item: Item, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
    ) -> Result:
        """The item's result. Raises what `run` raised for its batch."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._drain(run))
        return await future

    async def _drain(self, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        try:
            while self._waiting:
                await self._wait_for_company()
                batch = self._waiting[:_MOST_AT_ONCE]
                del self._waiting[:_MOST_AT_ONCE]
                await _settle(batch, run)
        finally:
            self._running = None

    async def _wait_for_company(self) -> None:
        if self._nobody_comes.is_set():
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._nobody_comes.wait()
        except TimeoutError:
            return


async def _settle(
    batch: Sequence[tuple[Item, asyncio.Future[Result]]],
    run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
) -> None:
    try:
        results = await run([item for item, _ in batch])
    except Exception as error:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
        return
    for (_, future), result in zip(batch, results, strict=True):
        if not future.done():
            future.set_result(result)
