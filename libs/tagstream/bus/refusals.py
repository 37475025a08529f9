"""When a message that found its lane full should come again: so that the lane never runs dry, and
few messages come in vain. Pure bookkeeping; clock and dice are handed in.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

# They come back twice as fast as the lane works them off.
_OVERSUPPLY = 2.0
_LONGEST_S = 16.0
_NEWEST_WEIGHT = 0.2
_KEYS_MAX = 1000


@dataclass(slots=True)
class _Lane:
    mean_s: float = 0.0
    due_at: list[float] = field(default_factory=list)


class Refusals:
    """By lane: how long its messages take, and when those that were sent away come again."""

    def __init__(self, *, lane_limit: int, first_s: float) -> None:
        self._lane_limit = lane_limit
        self._first_s = first_s
        self._lanes: dict[str, _Lane] = {}

    def finished(self, key: str, took_s: float) -> None:
        """A message of this lane was worked on for so long."""
        lane = self._lanes.get(key)
        if lane is not None:
            share = _NEWEST_WEIGHT if lane.mean_s else 1.0
            lane.mean_s += share * (took_s - lane.mean_s)

    def delay_s(self, key: str, deliveries: int, now: float, rand: float) -> float:
        """For how long to send a message away that was delivered so often; `rand` is from 0 to 1.

        Until the lane has finished something it doubles with each delivery.
        """
        lane = self._lane(key, now)
        if lane.mean_s:
            waiting = len(lane.due_at) + 1
            delay_s = waiting * lane.mean_s / (self._lane_limit * _OVERSUPPLY)
        else:
            delay_s = self._first_s * 2.0 ** min(deliveries - 1, 5)
        delay_s = min(max(delay_s, self._first_s), _LONGEST_S) * (0.5 + rand)
        heapq.heappush(lane.due_at, now + delay_s)
        return delay_s

    def _lane(self, key: str, now: float) -> _Lane:
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= _KEYS_MAX:
                # Those whose messages have all come again: what they knew is old.
                known = self._lanes.items()
                self._lanes = {k: v for k, v in known if v.due_at and max(v.due_at) > now}
            lane = self._lanes[key] = _Lane()
        while lane.due_at and lane.due_at[0] <= now:
            heapq.heappop(lane.due_at)
        return lane
