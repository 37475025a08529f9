"""All services that move tags, around one database: their real storages, handlers and decisions.

Only the edges are not real: registry and cluster are small and of this process, and there is no
bus: whoever holds the world hands the messages on (`handle`).
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fakes.cluster import Cluster, run_cluster
from fakes.deliveries import Delivery
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.generic_storage import GenericStorage
from tagstream.api.images.convert import RegistryNames
from tagstream.api.images.deps import ImageDeps
from tagstream.api.images.image_tags import ImageTagStorage
from tagstream.api.images.images import ImageStorage
from tagstream.api.images.imports import ImageStreamImportStorage
from tagstream.api.images.mappings import ImageStreamMappingStorage
from tagstream.api.images.stream_tags import ImageStreamTagStorage
from tagstream.api.images.streams import ImageStreamStorage
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.kinds.namespaces import NAMESPACES
from tagstream.api.kinds.trigger_pauses import TRIGGER_PAUSES
from tagstream.api.wire.json_types import JsonObject
from tagstream.bus.outcomes import Outcome
from tagstream.importer import deps as importer_deps
from tagstream.importer.fetch import FetchDeps
from tagstream.importer.handlers import fetch_and_keep, on_import_ordered
from tagstream.kube.client import KubeClient
from tagstream.kube.config import ClusterConfig
from tagstream.store.database import Connection, Database
from tagstream.store.leases import Lease
from tagstream.store.streams import resolve_tag
from tagstream.streams.import_request import ImportRequest
from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.tag_tracker import deps as tracker_deps
from tagstream.tag_tracker.handlers import on_import_finished, on_import_requested
from tagstream.trigger_dispatcher import deps as dispatcher_deps
from tagstream.trigger_dispatcher.deps import Cause
from tagstream.trigger_dispatcher.handlers import on_tag_changed, on_triggers_resumed
from tagstream.trigger_dispatcher.indexing import OBSERVER_LEASE, Observation, on_observed
from tagstream.trigger_dispatcher.observer import Observed
from tagstream.trigger_dispatcher.reactions import react_all
from tagstream.trigger_dispatcher.targets import target_of

NS = "shop"
START = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)
DEPLOYMENTS = "/apis/apps/v1/deployments"
CLUSTER = "main"
_IDS = uuid.UUID("5b0f7a1e-0000-5000-8000-7a6573747321")


@dataclass(slots=True)
class Clock:
    """Moves a millisecond at each look, so that nothing happens at one time, and when told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def reach(self, moment: datetime) -> None:
        self.now = max(self.now, moment)


class EverythingAllowed:
    """`Access` of a cluster without rules."""

    async def allowed(self, *asked: object) -> tuple[bool, str]:
        return True, ""


class NoSecrets:
    """`PullSecrets` of a namespace that has none."""

    async def list_pull_secrets(
        self, ctx: RequestContext, namespace: str
    ) -> tuple[list[JsonObject], int]:
        return [], 0


@dataclass(slots=True)
class DirectFetcher:
    """`Fetcher` that asks the importer without a bus between."""

    importer: importer_deps.Deps

    async def fetch(self, request: ImportRequest, *, traceparent: str) -> Mapping[str, object]:
        result = await fetch_and_keep(request, self.importer, "request")
        answer: Mapping[str, object] = result.to_json()
        return answer


@dataclass(slots=True)
class Api:
    """The storages behind the requests of a history."""

    namespaces: GenericStorage
    pauses: GenericStorage
    streams: ImageStreamStorage
    tags: ImageStreamTagStorage
    mappings: ImageStreamMappingStorage
    imports: ImageStreamImportStorage
    image_tags: ImageTagStorage
    images: ImageStorage


@dataclass(slots=True)
class ServiceWorld:
    """The services. `steady` is the database itself, `database` what they see of it."""

    steady: Database
    database: Database
    cluster: Cluster
    clock: Clock
    importer: importer_deps.Deps
    tracker: tracker_deps.Deps
    dispatcher: dispatcher_deps.Deps
    api: Api
    observation: Observation

    async def handle(self, delivery: Delivery) -> Outcome:
        """Hand a message to its handler."""
        event = delivery.event
        match delivery.consumer:
            case "requested":
                return await on_import_requested(event, self.tracker)
            case "finished":
                return await on_import_finished(event, self.tracker)
            case "ordered":
                return await on_import_ordered(event, self.importer)
            case "changed":
                return await on_tag_changed(event, self.dispatcher)
            case "resumed":
                return await on_triggers_resumed(event, self.dispatcher)
        raise AssertionError(delivery.consumer)

    async def observe(self, body: JsonObject) -> None:
        """Put a workload into the cluster, and let the dispatcher see it."""
        seen = json.loads(json.dumps(self.cluster.put(DEPLOYMENTS, body)))
        meta = seen["metadata"]
        target = target_of(seen["apiVersion"], seen["kind"])
        row = await on_observed(
            Observed(target, meta["namespace"], meta["name"], seen), self.observation
        )
        if row is not None:
            await react_all(self.dispatcher, [row], Cause("workload changed"))

    def context(self, command_id: str, user: str, agent: str) -> RequestContext:
        """A request, made now."""
        return RequestContext(User(user), self.clock(), command_id, agent)


def build_ids(seed: str) -> Callable[[], str]:
    """Ids that follow from the seed, one after the other."""
    numbers = itertools.count(1)
    return lambda: str(uuid.uuid5(_IDS, f"{seed} {next(numbers)}"))


@asynccontextmanager
async def service_world(
    database: Database,
    cluster: Cluster,
    kube: KubeClient,
    fetching: FetchDeps,
    *,
    steady: Database | None = None,
    seed: str = "",
    patience: timedelta = timedelta(minutes=1),
) -> AsyncIterator[ServiceWorld]:
    """The services on a database. `patience` is after how long an import counts as lost."""
    clock, new_id = Clock(), build_ids(seed)
    importer = importer_deps.Deps(database, fetching, clock=clock, new_id=new_id)
    names = RegistryNames(INTERNAL_REGISTRY)
    images = ImageDeps(
        steady or database, EverythingAllowed(), DirectFetcher(importer), NoSecrets(), names
    )

    async def resolve(connection: Connection, namespace: str, stream: str, tag: str) -> str | None:
        return await resolve_tag(connection, namespace, stream, tag, names.internal)

    dispatcher = dispatcher_deps.Deps(database, kube, CLUSTER, resolve, clock, new_id)
    lease = Lease(steady or database, OBSERVER_LEASE, ttl_s=600)
    await lease.take()
    yield ServiceWorld(
        steady or database,
        database,
        cluster,
        clock,
        importer,
        tracker_deps.Deps(
            database,
            INTERNAL_REGISTRY,
            finished_lost_after=patience,
            ordered_lost_after=patience,
            clock=clock,
            new_id=new_id,
        ),
        dispatcher,
        _build_api(images),
        Observation(dispatcher, lease),
    )


def _build_api(images: ImageDeps) -> Api:
    def keep(declared: GenericKind) -> GenericStorage:
        return GenericStorage(declared.kind, images.database, declared.rules)

    return Api(
        keep(NAMESPACES),
        keep(TRIGGER_PAUSES),
        ImageStreamStorage(images),
        ImageStreamTagStorage(images),
        ImageStreamMappingStorage(images),
        ImageStreamImportStorage(images),
        ImageTagStorage(images),
        ImageStorage(images),
    )


@asynccontextmanager
async def open_cluster() -> AsyncIterator[tuple[Cluster, KubeClient]]:
    """A small cluster with a client."""
    async with (
        run_cluster() as cluster,
        KubeClient(ClusterConfig(cluster.url), max_connections=24, timeout_s=5) as kube,
    ):
        yield cluster, kube
