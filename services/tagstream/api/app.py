"""Wiring: from settings to a running api."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog
from nats.aio.client import Client

from tagstream.api.access.bootstrap import apply_bootstrap
from tagstream.api.composition import build_api
from tagstream.api.housekeeping.keeper import Housekeeper
from tagstream.api.images.fetcher import NatsFetcher
from tagstream.api.server.uvicorn_tls import (
    HttpsServer,
    TlsFiles,
    build_tls_context,
    open_socket,
)
from tagstream.api.settings import Settings
from tagstream.bus.connection import connect
from tagstream.store.database import Database
from tagstream.store.probe import PostgresProbe
from tagstream.telemetry.health import Check, HealthServer
from tagstream.telemetry.run import Stop, settle_heap
from tagstream.telemetry.tracing import configure_tracing

SERVICE = "api"
_log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings, stop: Stop) -> None:
    """Runs until `stop`. Raises TagstreamError when it cannot start."""
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(SERVICE))
        checks: dict[str, Check] = {"start": lambda: "starting"}
        health = HealthServer(checks)
        await health.start(settings.health_host, settings.health_port)
        stack.push_async_callback(health.close)
        # Wrong files and a port that is taken are told before anything is waited for.
        tls = _load_tls(settings)
        listening = open_socket(settings.api_host, settings.api_port)
        stack.callback(listening.close)
        database, nats = await _connect(settings, stop, stack)
        await apply_bootstrap(database, _now())
        probe = PostgresProbe(database)
        api = build_api(settings, database, NatsFetcher(nats), _now, probe.healthy)
        await api.policies.load()
        server = HttpsServer(api.app, listening, tls, api.app.stop)
        checks |= {
            "postgres": probe.healthy,
            "nats": lambda: None if nats.is_connected else "not connected",
        }
        keeper = Housekeeper(database, _now, settings.internal_registry)
        async with asyncio.TaskGroup() as group:
            beside = (
                probe.run(stop.event),
                api.policies.follow(stop.event),
                keeper.run(stop.event),
                api.hub.run(),
                api.page.run(),
            )
            background = [group.create_task(one) for one in beside]
            group.create_task(_end_with(stop, server, background))
            del checks["start"]
            settle_heap()
            _log.info("api ready", replica=settings.replica, port=server.port)
            await server.serve()
            stop.request()


def _load_tls(settings: Settings) -> ssl.SSLContext:
    files = (settings.api_tls_cert_file, settings.api_tls_key_file, settings.api_client_ca_file)
    return build_tls_context(TlsFiles(*files))


async def _connect(
    settings: Settings, stop: Stop, stack: AsyncExitStack
) -> tuple[Database, Client]:
    """Both are closed with the stack."""
    database = await Database.connect(
        settings.postgres_url.get_secret_value(), name=SERVICE, size=settings.postgres_pool_size
    )
    stack.push_async_callback(database.close)
    nats = await connect(
        settings.nats_url.get_secret_value(),
        name=settings.replica,
        on_closed=stop.request,
        timeout_s=30,
    )
    stack.push_async_callback(nats.close)
    return database, nats


async def _end_with(stop: Stop, server: HttpsServer, background: list[asyncio.Task[None]]) -> None:
    await stop.wait()
    server.stop()
    for task in background:
        task.cancel()
