"""Reads of single tags that come at the same time share one statement.

A read joins only a statement that has not been sent yet, so it sees everything that was committed
before it came: nothing is cached.
"""

from __future__ import annotations

import asyncio
from itertools import islice

from tagstream.store.database import Database
from tagstream.store.tag_views import TagKey, TagView, load_tag_views

# While this many statements are under way, further reads gather for the next one.
_LANES = 2
_MOST_KEYS = 64


class TagReader:
    """Loads tag views for any number of callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[TagKey, asyncio.Future[TagView | None]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def load(self, key: TagKey) -> TagView | None:
        """None when the stream does not exist. Raises Unavailable."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._lanes) < _LANES:
                lane = asyncio.create_task(self._drain())
                self._lanes.add(lane)
                lane.add_done_callback(self._lanes.discard)
        # Another caller may wait for the same answer.
        return await asyncio.shield(answer)

    async def _drain(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, _MOST_KEYS))
            batch = {key: self._waiting.pop(key) for key in keys}
            try:
                async with self._database.connection() as connection:
                    views = await load_tag_views(connection, keys)
            except Exception as error:
                for answer in batch.values():
                    answer.set_exception(error)
                    # Every caller may be gone by now; then nobody is left to be told.
                    answer.exception()
            else:
                for key, answer in batch.items():
                    answer.set_result(views.get(key))
