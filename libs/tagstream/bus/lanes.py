"""Which held message may run now: bounded in all, bounded and in order per key.

Pure bookkeeping; it starts nothing and knows no message. Order is the order of `offer`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Lane(Generic[T]):
    waiting: deque[T] = field(default_factory=deque)
    running: int = 0
    ready: bool = False


class Lanes(Generic[T]):
    """A bounded set of running items, fed from one queue a key, the keys taking turns.

    `lane_limit` items of one key run at once. Behind a full lane `lane_waiting_max` items of that
    key and `waiting_max` of all keys may wait; past that `offer` refuses, so that a slow key
    cannot occupy every place.
    """

    def __init__(
        self, *, concurrency: int, lane_limit: int, lane_waiting_max: int, waiting_max: int
    ) -> None:
        self._concurrency = concurrency
        self._lane_limit = lane_limit
        self._lane_waiting_max = lane_waiting_max
        self._waiting_max = waiting_max
        self._lanes: dict[str, _Lane[T]] = {}
        self._ready: deque[str] = deque()
        self.running = 0
        self.waiting = 0

    def free(self) -> int:
        """How many more items there is room for, running or waiting."""
        return self._concurrency - self.running + max(0, self._waiting_max - self.waiting)

    def offer(self, key: str, item: T) -> bool:
        """Take an item in, or refuse it because its lane is full."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        elif not self._has_room(lane):
            return False
        lane.waiting.append(item)
        self.waiting += 1
        self._mark_ready(key, lane)
        return True

    def take(self) -> T | None:
        """The next item to run, or `None` while nothing may start."""
        if self.running >= self._concurrency or not self._ready:
            return None
        key = self._ready.popleft()
        lane = self._lanes[key]
        lane.ready = False
        item = lane.waiting.popleft()
        lane.running += 1
        self.running += 1
        self.waiting -= 1
        self._mark_ready(key, lane)
        return item

    def done(self, key: str) -> None:
        """An item of this key that was taken has finished."""
        lane = self._lanes[key]
        lane.running -= 1
        self.running -= 1
        if lane.running == 0 and not lane.waiting:
            del self._lanes[key]
        else:
            self._mark_ready(key, lane)

    def clear_waiting(self) -> list[T]:
        """Everything that has not started, removed."""
        left = [item for lane in self._lanes.values() for item in lane.waiting]
        self._lanes = {key: lane for key, lane in self._lanes.items() if lane.running}
        for lane in self._lanes.values():
            lane.waiting.clear()
            lane.ready = False
        self._ready.clear()
        self.waiting = 0
        return left

    def _has_room(self, lane: _Lane[T]) -> bool:
        behind = lane.running + len(lane.waiting) - self._lane_limit
        if behind < 0:
            return True
        return behind < self._lane_waiting_max and self.waiting < self._waiting_max

    def _mark_ready(self, key: str, lane: _Lane[T]) -> None:
        if lane.waiting and not lane.ready and lane.running < self._lane_limit:
            lane.ready = True
            self._ready.append(key)
