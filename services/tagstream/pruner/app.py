"""Wiring: from settings to a running pruner."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog

from tagstream.errors import TagstreamError
from tagstream.pruner.deps import Deps
from tagstream.pruner.scheduling import PruneClock
from tagstream.pruner.settings import Settings
from tagstream.store.database import Database
from tagstream.store.leases import Lease
from tagstream.store.probe import PostgresProbe
from tagstream.telemetry.health import Check, HealthServer
from tagstream.telemetry.run import Stop
from tagstream.telemetry.tracing import configure_tracing

SERVICE = "pruner"
LEASE = "pruner"

_POOL_SIZE = 4

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
        database = await Database.connect(
            settings.postgres_url.get_secret_value(), name=SERVICE, size=_POOL_SIZE
        )
        stack.push_async_callback(database.close)
        probe = PostgresProbe(database)
        checks["postgres"] = probe.healthy
        del checks["start"]
        _log.info("pruner ready")
        lease = Lease(database, LEASE)
        clock = PruneClock(Deps(database, settings.internal_registry, lease.fence))

        async def keep_schedule() -> None:
            await _every(settings.prune_check, clock, stop)

        async with asyncio.TaskGroup() as group:
            group.create_task(probe.run(stop.event))
            group.create_task(lease.hold(stop.event, keep_schedule))


async def _every(seconds: float, clock: PruneClock, stop: Stop) -> None:
    while not stop.requested:
        try:
            await clock.step()
        except TagstreamError as error:
            _log.warning("prune put off, trying again", error=str(error))
        await stop.sleep(seconds)
