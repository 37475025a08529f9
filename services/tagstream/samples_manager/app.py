"""Wiring: from settings to a running samples-manager."""

from __future__ import annotations

import asyncio
import os
import platform
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog

from tagstream.errors import InvalidInput, TagstreamError
from tagstream.kube.client import KubeClient
from tagstream.kube.config import load_cluster_config
from tagstream.samples_manager.cluster import CONFIGS
from tagstream.samples_manager.config import State
from tagstream.samples_manager.deps import Deps
from tagstream.samples_manager.keeper import Keeper
from tagstream.samples_manager.library import SHIPPED
from tagstream.samples_manager.settings import Settings
from tagstream.store.database import Database
from tagstream.store.leases import Lease
from tagstream.store.probe import PostgresProbe
from tagstream.telemetry.health import Check, HealthServer
from tagstream.telemetry.run import Stop
from tagstream.telemetry.tracing import configure_tracing

SERVICE = "samples-manager"
LEASE = "samples-manager"
_CONNECTIONS = 12

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, stop: Stop) -> None:
    """Run until `stop`. Raises TagstreamError when it cannot start."""
    async with AsyncExitStack() as stack:
        stack.callback(configure_tracing(SERVICE))
        checks: dict[str, Check] = {"start": lambda: "starting"}
        health = HealthServer(checks)
        await health.start(settings.health_host, settings.health_port)
        stack.push_async_callback(health.close)
        config = load_cluster_config(settings.kubeconfig, os.environ)
        database = await Database.connect(
            settings.postgres_url.get_secret_value(), name=SERVICE, size=2
        )
        stack.push_async_callback(database.close)
        kube = await stack.enter_async_context(KubeClient(config, max_connections=_CONNECTIONS))
        await require_one_config(kube)
        probe = PostgresProbe(database)
        checks["postgres"] = probe.healthy
        del checks["start"]
        _log.info("samples-manager ready", library=str(settings.samples_library or "shipped"))
        lease = Lease(database, LEASE)
        deps = build_deps(settings, kube, lease)
        async with asyncio.TaskGroup() as group:
            group.create_task(probe.run(stop.event))
            group.create_task(lease.hold(stop.event, lambda: Keeper(deps).run()))


def build_deps(settings: Settings, kube: KubeClient, lease: Lease) -> Deps:
    """What the keeper needs."""
    return Deps(
        kube=kube,
        library=(settings.samples_library or SHIPPED).expanduser().absolute(),
        wished=State(settings.samples.capitalize()),
        machine=platform.machine(),
        clock=lambda: datetime.now(UTC),
        resync_s=settings.samples_resync_s,
        is_ours=lease.check,
    )


async def require_one_config(kube: KubeClient) -> None:
    """Raises InvalidInput when there is more than one Config (spec §4)."""
    try:
        found = await kube.list(CONFIGS)
    except TagstreamError as error:
        # A cluster that is away now is waited for; the question is asked again at the next start.
        _log.warning("the cluster cannot be asked for its Configs", error=str(error))
        return
    if len(found.items) > 1:
        raise InvalidInput(
            "configs.samples.operator.openshift.io",
            "only 1 samples custom resource supported; delete all but the one named cluster",
        )
