"""Limits and intervals of the pull loop, and the lanes that follow from them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.bus.delivery import Delivery
from tagstream.bus.lanes import Lanes


@dataclass(frozen=True, slots=True)
class ConsumeSettings:
    """Limits and intervals that seldom change.

    `prefetch` messages wait here beside the running ones (default: as many as may run, or four
    times that with lanes). `handler_max_s` ends a handler that hangs; `hold_max_s` ends the
    heartbeats of a message that is still not done. `grace_s` is how long a stop waits for
    running handlers.
    """

    prefetch: int | None = None
    lane_waiting_max: int | None = None
    lane_full_delay_s: float = 0.25
    max_deliveries: int = 8
    handler_max_s: float = 300.0
    hold_max_s: float = 900.0
    grace_s: float = 20.0
    pull_expires_s: float = 30.0
    pull_heartbeat_s: float = 5.0
    watchdog_s: float = 10.0


def build_lanes(
    settings: ConsumeSettings, concurrency: int, lane_limit: int | None
) -> Lanes[Delivery]:
    """Lanes of these sizes; without a `lane_limit` everything is one lane as wide as all."""
    prefetch = settings.prefetch
    if lane_limit is None:
        prefetch = concurrency if prefetch is None else prefetch
        return Lanes(
            concurrency=concurrency,
            lane_limit=concurrency,
            lane_waiting_max=prefetch,
            waiting_max=prefetch,
        )
    prefetch = 4 * concurrency if prefetch is None else prefetch
    lane_waiting_max = settings.lane_waiting_max
    return Lanes(
        concurrency=concurrency,
        lane_limit=lane_limit,
        lane_waiting_max=max(8, prefetch // 4) if lane_waiting_max is None else lane_waiting_max,
        waiting_max=prefetch,
    )
