"""A consumer that reconnects fast, with a handler that remembers."""

from __future__ import annotations

import time

from fakes.bus_world import (
    BusWorld,
)
from tagstream.bus.consume import Consumer
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Outcome

QUICK = ConsumeSettings(pull_expires_s=2, pull_heartbeat_s=0.4, watchdog_s=0.5, grace_s=1)


class Recorder:
    """A handler that fails first, if told to, and remembers what it finished."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.bodies: list[str] = []
        self.deliveries: list[int] = []
        self.times: list[float] = []

    async def __call__(self, message: Message) -> Outcome:
        self.deliveries.append(message.deliveries)
        self.times.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        self.bodies.append(message.data.decode())
        return Outcome.APPLIED


def consumer_of(world: BusWorld, handler: Recorder, **changes: object) -> Consumer:
    return Consumer(
        world.nc,
        world.spec(**changes),
        handler,
        concurrency=4,
        dead_letters=world.dead_letters,
        ensure=world.ensure_events,
        settings=QUICK,
    )
