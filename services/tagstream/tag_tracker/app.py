"""Wiring: from settings to a running tag-tracker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
from nats.aio.client import Client

from tagstream.bus.connection import connect
from tagstream.bus.consume import Consumer
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.event_handler import build_handler, count_handled
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Outcome
from tagstream.bus.redrive import build_redrive
from tagstream.bus.topology import ConsumerSpec, ensure_streams
from tagstream.errors import TagstreamError
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import ImportCompleted, ImportFailed, ImportRequested
from tagstream.events.subjects import (
    EVENTS_STREAM,
    events_filter,
    parse_event_subject,
    redrive_subject,
)
from tagstream.store.database import Database
from tagstream.store.dead_letters import DeadLetterTable
from tagstream.store.leases import Lease
from tagstream.store.probe import PostgresProbe
from tagstream.tag_tracker.deps import Deps
from tagstream.tag_tracker.handlers import on_import_finished, on_import_requested
from tagstream.tag_tracker.relaying import run_relay
from tagstream.tag_tracker.resyncing import resync
from tagstream.tag_tracker.settings import Settings
from tagstream.tag_tracker.sweeping import ScheduleSweep
from tagstream.telemetry.health import Check, HealthServer
from tagstream.telemetry.run import Stop
from tagstream.telemetry.tracing import configure_tracing

SERVICE = "tag-tracker"
RELAY_LEASE = "relay"
SWEEP_LEASE = "schedule-sweep"
RESYNC_LEASE = "import-resync"

_CONCURRENT_MESSAGES = 8
_POOL_SIZE = 12
_GRACE_S = 1.0
_TICK_S = 1.0

_log = structlog.get_logger(__name__)

LeasedWork = tuple[Lease, Callable[[], Awaitable[None]]]


async def serve(settings: Settings, stop: Stop) -> None:
    """Run until `stop`. Raises TagstreamError when it cannot start."""
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(SERVICE))
        structlog.contextvars.bind_contextvars(replica=settings.replica)
        checks: dict[str, Check] = {"start": lambda: "starting"}
        health = HealthServer(checks)
        await health.start(settings.health_host, settings.health_port)
        stack.push_async_callback(health.close)
        deps = await stack.enter_async_context(build_deps(settings))
        nats = await connect(
            settings.nats_url.get_secret_value(), name=SERVICE, on_closed=stop.request, timeout_s=30
        )
        stack.push_async_callback(nats.close)
        consumers, probe = build_consumers(nats, deps, settings), PostgresProbe(deps.database)
        checks |= {durable: consumer.healthy for durable, consumer in consumers.items()}
        checks["postgres"] = probe.healthy
        checks["nats"] = lambda: None if nats.is_connected else "not connected"
        del checks["start"]
        _log.info("tag-tracker ready")
        leased = build_leased_work(nats, deps, settings, stop)
        async with asyncio.TaskGroup() as group:
            group.create_task(probe.run(stop.event))
            for consumer in consumers.values():
                group.create_task(consumer.run(stop.event))
            for lease, work in leased:
                group.create_task(lease.hold(stop.event, work))


@asynccontextmanager
async def build_deps(settings: Settings) -> AsyncIterator[Deps]:
    """Connect to Postgres; the connections end with the block."""
    database = await Database.connect(
        settings.postgres_url.get_secret_value(), name=SERVICE, size=_POOL_SIZE
    )
    try:
        yield Deps(
            database,
            settings.internal_registry,
            deadline_s=settings.import_deadline,
            finished_lost_after=timedelta(seconds=settings.import_resync),
            ordered_lost_after=timedelta(seconds=settings.import_lost_after),
        )
    finally:
        await database.close()


def build_consumers(nats: Client, deps: Deps, settings: Settings) -> dict[str, Consumer]:
    """The durables of this service; what concerns one stream is handled one after another."""

    consumers: dict[str, Consumer] = {}
    dead_letters = DeadLetterTable(deps.database)

    async def ensure() -> None:
        await ensure_streams(nats.jetstream(), settings.nats_replicas)

    def add(
        durable: str, handler: Callable[[CloudEvent, Deps], Awaitable[Outcome]], *types: str
    ) -> None:
        handle = build_handler(durable, lambda event: handler(event, deps))
        filters = tuple(events_filter(event_type=event_type) for event_type in types)
        consumers[durable] = Consumer(
            nats,
            ConsumerSpec(EVENTS_STREAM, durable, filters),
            handle,
            concurrency=_CONCURRENT_MESSAGES,
            dead_letters=dead_letters,
            lane=_stream_of,
            ensure=ensure,
            on_handled=count_handled,
            settings=ConsumeSettings(grace_s=_GRACE_S),
        )
        consumers[f"{durable}-redrive"] = build_redrive(
            nats,
            durable,
            redrive_subject(durable),
            handle,
            dead_letters=dead_letters,
            ensure=ensure,
            on_handled=count_handled,
            settings=ConsumeSettings(grace_s=_GRACE_S),
        )

    add(f"{SERVICE}-import-requested", on_import_requested, ImportRequested.TYPE)
    add(f"{SERVICE}-import-finished", on_import_finished, ImportCompleted.TYPE, ImportFailed.TYPE)
    return consumers


def _stream_of(message: Message) -> str:
    subject = parse_event_subject(message.subject)
    return f"{subject.namespace}/{subject.stream}"


def build_leased_work(nats: Client, deps: Deps, settings: Settings, stop: Stop) -> list[LeasedWork]:
    """What one process at a time does: publish, keep the schedule, repair."""
    relay = Lease(deps.database, RELAY_LEASE)
    sweep = Lease(deps.database, SWEEP_LEASE)
    repair = Lease(deps.database, RESYNC_LEASE)

    async def keep_schedule() -> None:
        period = timedelta(seconds=settings.scheduled_import_minimum_interval)
        rate = settings.max_scheduled_imports_per_minute
        sweeping = ScheduleSweep(deps, period, rate, sweep.fence)
        await _every(_TICK_S, sweeping.step, stop)

    async def publish() -> None:
        await run_relay(nats, deps.database, relay, stop.event, settings.nats_replicas)

    async def look_again() -> None:
        await _every(settings.import_resync, lambda: resync(deps, repair.fence), stop)

    work: list[LeasedWork] = [(relay, publish), (repair, look_again)]
    return work if settings.disable_scheduled_import else [*work, (sweep, keep_schedule)]


async def _every(seconds: float, work: Callable[[], Awaitable[object]], stop: Stop) -> None:
    while not stop.requested:
        try:
            await work()
        except TagstreamError as error:
            _log.warning("periodic work failed, trying again", error=str(error))
        await stop.sleep(seconds)
