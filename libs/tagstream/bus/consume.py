"""The durable pull loop: from a JetStream consumer to plain handlers.

Owns pulling, holding, running, repairing and stopping. What an outcome means is `outcomes.py`,
which message may run is `lanes.py`, the wire is `pull.py`, answers are `delivery.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError

from tagstream.bus.cancellation import raise_if_cancelled
from tagstream.bus.connection import round_trip
from tagstream.bus.consume_settings import ConsumeSettings, build_lanes
from tagstream.bus.delivery import DeadLetters, Delivery, Settler
from tagstream.bus.message import Message, parse_message
from tagstream.bus.outcomes import Deferred, Outcome
from tagstream.bus.pull import PullSource
from tagstream.bus.refusals import Refusals
from tagstream.bus.topology import ConsumerSpec, consumer_drift, ensure_consumer

Handler = Callable[[Message], Awaitable[Outcome | Deferred]]

_NOT_STARTED = "not started"
_TICK_S = 0.2
_FLUSH_TIMEOUT_S = 2.0
_REPAIR_DELAY_MAX_S = 5.0
_REPAIR_FORGOTTEN_S = 15.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Handled:
    """One finished delivery, for metrics. `label` has few values."""

    consumer: str
    message: Message
    label: str
    duration_s: float


async def _nothing_to_ensure() -> None:
    """The stream is somebody else's business."""


class Consumer:
    """Runs `handler` for every message of a durable consumer, at least once.

    With `lane`, messages of one key run `lane_limit` at a time (1: one after another, in the
    order of delivery to this replica). A message that failed or found its lane full comes back
    later, behind its successors: handlers are level-triggered, so that does no harm.
    `ensure` makes the streams again when they are gone.
    """

    def __init__(
        self,
        nc: Client,
        spec: ConsumerSpec,
        handler: Handler,
        *,
        concurrency: int,
        dead_letters: DeadLetters,
        lane: Callable[[Message], str] | None = None,
        lane_limit: int = 1,
        ensure: Callable[[], Awaitable[None]] = _nothing_to_ensure,
        on_handled: Callable[[Handled], None] | None = None,
        settings: ConsumeSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings or ConsumeSettings()
        self._nc, self._js, self._spec = nc, nc.jetstream(), spec
        self._handler, self._lane, self._ensure = handler, lane, ensure
        self._on_handled, self._clock, self._rand = on_handled, clock, rand
        self._concurrency = concurrency
        self._lanes = build_lanes(self._settings, concurrency, lane_limit if lane else None)
        self._refusals = Refusals(
            lane_limit=lane_limit if lane else concurrency,
            first_s=self._settings.lane_full_delay_s,
        )
        self._room = self._lanes.free()
        self._settler = Settler(
            spec.durable,
            dead_letters,
            max_deliveries=self._settings.max_deliveries,
            rand=rand,
        )
        self._source = PullSource(
            nc,
            spec.stream,
            spec.durable,
            on_message=self._on_message,
            on_change=self._on_change,
            clock=clock,
            expires_s=self._settings.pull_expires_s,
            heartbeat_s=self._settings.pull_heartbeat_s,
        )
        self._held: dict[int, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._problem: str | None = _NOT_STARTED
        self._repairs = 0
        self._repaired_at = clock()

    def healthy(self) -> str | None:
        """Why no message can be expected from this consumer now, or `None` when all is well."""
        if not self._nc.is_connected:
            return f"{self._spec.durable}: not connected to NATS"
        if self._problem is not None:
            return f"{self._spec.durable}: {self._problem}"
        return None

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; then finish what runs and give back what waits.

        Survives everything the server does. Whatever ends it otherwise is a bug, and raised.
        """
        stopped = asyncio.create_task(stop.wait())
        stopped.add_done_callback(lambda _: self._wake.set())
        await self._source.open()
        self._source.forget(_NOT_STARTED)
        try:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._beat_forever()),
                    group.create_task(self._watch_forever()),
                ]
                try:
                    await self._pull(stop)
                finally:
                    await self._finish()
                    for task in background:
                        task.cancel()
        finally:
            stopped.cancel()
            self._problem = "stopped"

    async def _pull(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            raise_if_cancelled()
            self._wake.clear()
            self._source.check()
            if self._nc.is_connected:
                if self._source.fault is not None:
                    await self._repair(self._source.fault, stop)
                    continue
                if self._wants_more():
                    await self._source.request(self._lanes.free())
            await self._sleep(_TICK_S)

    def _wants_more(self) -> bool:
        """Few large requests rather than many small ones, but never an idle place."""
        if self._source.outstanding or not self._lanes.free():
            return False
        return self._lanes.running < self._concurrency or self._lanes.free() >= self._room // 4

    async def _sleep(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _repair(self, fault: str, stop: asyncio.Event) -> None:
        """Make stream and consumer again; waits longer each time that it does not last."""
        if self._clock() - self._repaired_at > _REPAIR_FORGOTTEN_S:
            self._repairs = 0
        if fault != _NOT_STARTED:
            self._problem = fault
            _log.warning("consumer disturbed", consumer=self._spec.durable, fault=fault)
        if self._repairs:
            delay_s = min(_REPAIR_DELAY_MAX_S, 0.1 * 2.0**self._repairs) * (1 - self._rand() / 2)
            await _wait_or_stop(stop, delay_s)
        self._repairs += 1
        self._repaired_at = self._clock()
        try:
            await self._ensure()
            await ensure_consumer(self._js, self._spec)
        except Exception as error:
            # Whatever it is, it is seen in readiness and tried again: a consumer never ends.
            self._problem = f"{type(error).__name__}: {error}"
            self._source.forget(self._problem)
            return
        self._settler.attempts.clear()
        self._source.forget(None)
        self._problem = None

    async def _on_message(self, raw: Msg) -> None:
        message = parse_message(raw)
        delivery = Delivery(raw, message, self._lane_of(message), self._clock())
        if self._stopping:
            await self._settler.give_back(delivery, 0)
            return
        held = self._held.get(message.stream_seq)
        if held is not None:
            # Delivered again while we have it (a lost heartbeat): answer the newest delivery.
            held.raw = raw
            return
        if not self._lanes.offer(delivery.lane, delivery):
            delay_s = self._refusals.delay_s(
                delivery.lane, message.deliveries, self._clock(), self._rand()
            )
            await self._settler.give_back(delivery, delay_s)
            return
        self._held[message.stream_seq] = delivery
        self._start_ready()

    def _lane_of(self, message: Message) -> str:
        if self._lane is None:
            return ""
        try:
            return self._lane(message)
        except Exception as error:
            # The handler will say what is wrong with the message.
            _log.warning("message has no lane", subject=message.subject, error=repr(error))
            return ""

    def _start_ready(self) -> None:
        while (delivery := self._lanes.take()) is not None:
            if delivery.abandoned:
                self._lanes.done(delivery.lane)
                continue
            delivery.started = True
            task = asyncio.create_task(self._run_handler(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_handler(self, delivery: Delivery) -> None:
        started = self._clock()
        try:
            result = await self._call(delivery.message)
            label = await self._settler.settle(delivery, result)
            if self._on_handled is not None:
                duration_s = self._clock() - started
                self._on_handled(Handled(self._spec.durable, delivery.message, label, duration_s))
        except asyncio.CancelledError:
            await self._settler.give_back(delivery, 0)
            raise
        finally:
            self._held.pop(delivery.message.stream_seq, None)
            self._refusals.finished(delivery.lane, self._clock() - started)
            self._lanes.done(delivery.lane)
            self._start_ready()
            if not self._source.outstanding:
                self._wake.set()

    async def _call(self, message: Message) -> Outcome | Deferred | Exception:
        try:
            async with asyncio.timeout(self._settings.handler_max_s):
                return await self._handler(message)
        except Exception as error:
            return error

    def _on_change(self) -> None:
        self._wake.set()

    async def _beat_forever(self) -> None:
        """Tell the server that what we hold is being worked on, for a bounded time."""
        while True:
            await asyncio.sleep(self._spec.ack_wait_s / 3)
            for delivery in list(self._held.values()):
                await self._beat(delivery)

    async def _beat(self, delivery: Delivery) -> None:
        try:
            if self._clock() - delivery.received_at <= self._settings.hold_max_s:
                await delivery.raw.in_progress()
            elif not delivery.started and not delivery.abandoned:
                delivery.abandoned = True
                self._held.pop(delivery.message.stream_seq, None)
                await self._settler.give_back(delivery, self._settings.lane_full_delay_s)
        except NatsError as error:
            _log.info("heartbeat not sent", consumer=self._spec.durable, error=repr(error))

    async def _watch_forever(self) -> None:
        """Look at the consumer from outside: gone, changed, or has messages that do not come."""
        while True:
            raise_if_cancelled()
            await asyncio.sleep(self._settings.watchdog_s)
            if not self._nc.is_connected or self._source.fault is not None:
                continue
            try:
                info = await self._js.consumer_info(self._spec.stream, self._spec.durable)
            except NotFoundError:
                self._source.forget("the consumer or its stream does not exist")
            except (NatsError, TimeoutError) as error:
                _log.info("consumer not seen", consumer=self._spec.durable, error=repr(error))
            else:
                self._compare(info)

    def _compare(self, info: ConsumerInfo) -> None:
        drift = consumer_drift(info, self._spec)
        if drift:
            self._source.forget(f"the consumer was changed: {', '.join(sorted(drift))}")
            return
        silent_s = self._clock() - self._source.message_at
        blocked = (info.num_ack_pending or 0) >= self._spec.max_ack_pending
        asked = self._source.outstanding > 0 and silent_s > self._settings.watchdog_s
        if info.num_pending and asked and not blocked:
            _log.warning("messages wait but none come", consumer=self._spec.durable)
            self._source.forget(None)

    async def _finish(self) -> None:
        self._stopping = True
        self._problem = "stopping"
        if self._nc.is_connected:
            await _within(_FLUSH_TIMEOUT_S, self._source.close())
        for delivery in self._lanes.clear_waiting():
            self._held.pop(delivery.message.stream_seq, None)
            if not delivery.abandoned:
                await self._settler.give_back(delivery, 0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.grace_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._nc.is_connected:
            await _within(_FLUSH_TIMEOUT_S, round_trip(self._nc, timeout_s=_FLUSH_TIMEOUT_S))


async def _wait_or_stop(stop: asyncio.Event, delay_s: float) -> None:
    try:
        async with asyncio.timeout(delay_s):
            await stop.wait()
    except TimeoutError:
        return


async def _within(timeout_s: float, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await work
    except (NatsError, TimeoutError):
        return
