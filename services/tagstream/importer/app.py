"""Wiring: from settings to a running importer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client

from tagstream.bus.connection import connect
from tagstream.bus.consume import Consumer
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.event_handler import build_handler, count_handled
from tagstream.bus.serving import build_broker
from tagstream.bus.topology import ConsumerSpec, ensure_streams
from tagstream.events.subjects import JOBS_STREAM, imports_filter, parse_import_subject
from tagstream.images.platform import Platform
from tagstream.importer.budget import SharedBudget
from tagstream.importer.deps import Deps
from tagstream.importer.fetch import FetchDeps
from tagstream.importer.handlers import on_import_ordered
from tagstream.importer.rpc import add_fetch_subscriber
from tagstream.importer.settings import Settings
from tagstream.registry.tls import build_tls_contexts
from tagstream.registry.transport import Transport, build_session
from tagstream.store.database import Database
from tagstream.store.dead_letters import DeadLetterTable
from tagstream.store.probe import PostgresProbe
from tagstream.store.sealing import load_sealer
from tagstream.telemetry.health import Check, HealthServer
from tagstream.telemetry.run import Stop
from tagstream.telemetry.tracing import configure_tracing

SERVICE = "importer"
DURABLE = "importer-import-tags"
# Mostly waiting: sixteen slow registries at once still leave a place for the next.
_CONCURRENT_JOBS = 128
_JOBS_PER_HOST = 8
_HELD_JOBS = 256
# Longer than any import's own deadline, which ends it in order.
_JOB_MAX_S = 900.0
_GRACE_S = 1.0
# What a replica had that died or froze, another one does after this.
_ACK_WAIT_S = 10.0
# Until then a frozen one still gets jobs; it must be over when its own come again.
_PULL_EXPIRES_S = 6.0
_PULL_HEARTBEAT_S = 3.0
_POOL_SIZE = 12

_log = structlog.get_logger(__name__)


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
        url = settings.nats_url.get_secret_value()
        nats = await connect(url, name=SERVICE, on_closed=stop.request, timeout_s=30)
        stack.push_async_callback(nats.close)
        broker = build_broker(
            url, f"{SERVICE}-rpc", on_closed=stop.request, graceful_timeout_s=_GRACE_S
        )
        add_fetch_subscriber(broker, deps, stop.event)
        consumer = build_consumer(nats, deps, settings.nats_replicas)
        probe = PostgresProbe(deps.database)
        checks |= {
            "postgres": probe.healthy,
            "nats": lambda: None if nats.is_connected else "not connected",
            DURABLE: consumer.healthy,
        }
        del checks["start"]
        _log.info("importer ready")
        async with asyncio.TaskGroup() as group:
            group.create_task(probe.run(stop.event))
            group.create_task(consumer.run(stop.event))
            group.create_task(_answer_requests(broker, stop))


async def _answer_requests(broker: NatsBroker, stop: Stop) -> None:
    await broker.start()
    try:
        await stop.wait()
    finally:
        await broker.stop()


@asynccontextmanager
async def build_deps(settings: Settings) -> AsyncIterator[Deps]:
    """Connect to Postgres and prepare the registry client; both end with the block."""
    key_file = settings.secret_key_file
    sealer = load_sealer(key_file) if key_file is not None else None
    tls = build_tls_contexts(settings.registry_ca_file)
    database = await Database.connect(
        settings.postgres_url.get_secret_value(), name=SERVICE, size=_POOL_SIZE
    )
    rate = settings.registry_rate_per_host
    try:
        async with build_session() as session:
            budget = SharedBudget(database, rate) if rate else None
            fetching = FetchDeps(
                Transport(session, tls, budget=budget),
                platform=Platform(settings.import_platform_os, settings.import_platform_arch),
            )
            yield Deps(database, fetching, sealer, settings.pull_secret_file)
    finally:
        await database.close()


def build_consumer(nats: Client, deps: Deps, replicas: int = 1) -> Consumer:
    """The durable for import jobs; those of one registry host share a lane of their own."""
    return Consumer(
        nats,
        ConsumerSpec(JOBS_STREAM, DURABLE, (imports_filter(),), ack_wait_s=_ACK_WAIT_S),
        build_handler(DURABLE, lambda event: on_import_ordered(event, deps)),
        concurrency=_CONCURRENT_JOBS,
        dead_letters=DeadLetterTable(deps.database),
        lane=lambda message: parse_import_subject(message.subject).host,
        lane_limit=_JOBS_PER_HOST,
        ensure=lambda: ensure_streams(nats.jetstream(), replicas),
        on_handled=count_handled,
        settings=ConsumeSettings(
            prefetch=_HELD_JOBS,
            handler_max_s=_JOB_MAX_S,
            hold_max_s=_JOB_MAX_S,
            grace_s=_GRACE_S,
            pull_expires_s=_PULL_EXPIRES_S,
            pull_heartbeat_s=_PULL_HEARTBEAT_S,
        ),
    )
