"""Wiring: from settings to a running dispatcher."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import structlog
from nats.aio.client import Client

from tagstream.bus.connection import connect
from tagstream.bus.consume import Consumer
from tagstream.bus.event_handler import build_handler, count_handled
from tagstream.bus.outcomes import Outcome
from tagstream.bus.redrive import build_redrive
from tagstream.bus.topology import ConsumerSpec, ensure_streams
from tagstream.errors import TagstreamError
from tagstream.events.envelope import CloudEvent
from tagstream.events.facts import TagChanged, TriggersResumed
from tagstream.events.subjects import EVENTS_STREAM, events_filter, redrive_subject
from tagstream.kube.client import KubeClient
from tagstream.kube.config import load_cluster_config
from tagstream.store.database import Connection, Database
from tagstream.store.dead_letters import DeadLetterTable
from tagstream.store.leases import Lease
from tagstream.store.probe import PostgresProbe
from tagstream.store.streams import resolve_tag
from tagstream.telemetry.health import Check, HealthServer
from tagstream.telemetry.run import Stop
from tagstream.telemetry.tracing import configure_tracing
from tagstream.trigger_dispatcher.deps import CONCURRENT_REACTIONS, Deps
from tagstream.trigger_dispatcher.handlers import (
    count_failing,
    on_tag_changed,
    on_triggers_resumed,
    resync,
    sweep_due,
)
from tagstream.trigger_dispatcher.indexing import OBSERVER_LEASE, keep_index
from tagstream.trigger_dispatcher.intents import sweep_intents
from tagstream.trigger_dispatcher.settings import Settings

SERVICE = "trigger-dispatcher"
RETRY_LEASE = "trigger-retries"
_SWEEP_S = 1.0
_SWEEP_INTENTS_S = 5.0
_COUNT_S = 5.0
# What a replica had that died or froze, another one does after this; workloads wait for it.
_ACK_WAIT_S = 10.0
_CONCURRENT_MESSAGES = 8

_log = structlog.get_logger(__name__)

EventHandler = Callable[[CloudEvent, Deps], Awaitable[Outcome]]


async def serve(settings: Settings, stop: Stop) -> None:
    """Run until `stop`. Raises TagstreamError when it cannot start."""
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(SERVICE))
        checks: dict[str, Check] = {"start": lambda: "starting"}
        health = HealthServer(checks)
        await health.start(settings.health_host, settings.health_port)
        stack.push_async_callback(health.close)
        deps = await stack.enter_async_context(build_deps(settings))
        nats = await connect(
            settings.nats_url.get_secret_value(), name=SERVICE, on_closed=stop.request, timeout_s=30
        )
        stack.push_async_callback(nats.close)
        consumers = build_consumers(nats, deps, settings.nats_replicas)
        probe = PostgresProbe(deps.database)
        for number, consumer in enumerate(consumers):
            checks[f"consumer-{number}"] = consumer.healthy
        checks["postgres"] = probe.healthy
        checks["nats"] = lambda: None if nats.is_connected else "not connected"
        del checks["start"]
        _log.info("dispatcher ready", cluster=deps.cluster)
        async with asyncio.TaskGroup() as group:
            group.create_task(probe.run(stop.event))
            for consumer in consumers:
                group.create_task(consumer.run(stop.event))
            for lease, work in build_leased_work(deps, settings, stop):
                group.create_task(lease.hold(stop.event, work))


@asynccontextmanager
async def build_deps(settings: Settings) -> AsyncIterator[Deps]:
    """Connect to Postgres and prepare the cluster's client; both end with the block."""
    registry = settings.internal_registry

    async def resolve(connection: Connection, namespace: str, stream: str, tag: str) -> str | None:
        return await resolve_tag(connection, namespace, stream, tag, registry)

    config = load_cluster_config(settings.kubeconfig, os.environ)
    database = await Database.connect(
        settings.postgres_url.get_secret_value(), name=SERVICE, size=CONCURRENT_REACTIONS // 4
    )
    try:
        # Seven watches stay open beside the reactions.
        async with KubeClient(config, max_connections=CONCURRENT_REACTIONS + 8) as kube:
            yield Deps(
                database=database,
                kube=kube,
                cluster=settings.cluster,
                resolve_tag=resolve,
                clock=lambda: datetime.now(UTC),
                new_id=lambda: str(uuid.uuid4()),
            )
    finally:
        await database.close()


def build_consumers(nats: Client, deps: Deps, replicas: int = 1) -> list[Consumer]:
    """The durables of this service; one tag's changes are handled one after another."""
    handlers: list[tuple[str, str, EventHandler]] = [
        ("trigger-dispatcher-tag-changed", TagChanged.TYPE, on_tag_changed),
        ("trigger-dispatcher-triggers-resumed", TriggersResumed.TYPE, on_triggers_resumed),
    ]
    dead_letters = DeadLetterTable(deps.database)
    consumers: list[Consumer] = []

    async def ensure() -> None:
        await ensure_streams(nats.jetstream(), replicas)

    for durable, event_type, handler in handlers:
        handle = build_handler(durable, _with(deps, handler))
        filters = (events_filter(event_type=event_type),)
        consumers.append(
            Consumer(
                nats,
                ConsumerSpec(EVENTS_STREAM, durable, filters, ack_wait_s=_ACK_WAIT_S),
                handle,
                concurrency=_CONCURRENT_MESSAGES,
                dead_letters=dead_letters,
                lane=lambda message: message.subject,
                ensure=ensure,
                on_handled=count_handled,
            )
        )
        consumers.append(
            build_redrive(
                nats,
                durable,
                redrive_subject(durable),
                handle,
                dead_letters=dead_letters,
                ensure=ensure,
                on_handled=count_handled,
            )
        )
    return consumers


def build_leased_work(
    deps: Deps, settings: Settings, stop: Stop
) -> list[tuple[Lease, Callable[[], Awaitable[None]]]]:
    """What one process at a time does: observe, and look again (retries, left over patches and
    resync)."""
    observer = Lease(deps.database, OBSERVER_LEASE)

    async def look_again() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(_SWEEP_S, lambda: sweep_due(deps), stop))
            group.create_task(_every(_COUNT_S, lambda: count_failing(deps), stop))
            group.create_task(_every(_SWEEP_INTENTS_S, lambda: sweep_intents(deps), stop))
            group.create_task(_every(settings.triggers_resync_s, lambda: resync(deps), stop))

    return [
        (observer, lambda: keep_index(deps, observer)),
        (Lease(deps.database, RETRY_LEASE), look_again),
    ]


def _with(deps: Deps, handler: EventHandler) -> Callable[[CloudEvent], Awaitable[Outcome]]:
    return lambda event: handler(event, deps)


async def _every(seconds: float, work: Callable[[], Awaitable[None]], stop: Stop) -> None:
    while not stop.requested:
        try:
            await work()
        except TagstreamError as error:
            _log.warning("periodic work failed, trying again", error=str(error))
        await stop.sleep(seconds)
