"""All generic kinds, in the order of discovery, and how they are registered."""

from __future__ import annotations

from collections.abc import Collection

from tagstream.api.engine.generic_storage import GenericStorage
from tagstream.api.engine.routing import Registry
from tagstream.api.kinds.configuration import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.kinds.events import CORE_EVENTS, NEW_EVENTS
from tagstream.api.kinds.extensions import CUSTOM_RESOURCE_DEFINITIONS
from tagstream.api.kinds.image_pruner import IMAGE_PRUNERS
from tagstream.api.kinds.jobs import CRON_JOBS, JOBS
from tagstream.api.kinds.limit_ranges import LIMIT_RANGES
from tagstream.api.kinds.namespaces import NAMESPACES
from tagstream.api.kinds.pods import POD_TEMPLATES, PODS, REPLICATION_CONTROLLERS
from tagstream.api.kinds.rbac import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from tagstream.api.kinds.samples_config import SAMPLES_CONFIGS
from tagstream.api.kinds.trigger_pauses import TRIGGER_PAUSES
from tagstream.api.kinds.workloads import DAEMON_SETS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS
from tagstream.store.database import Database
from tagstream.store.sealing import Sealer

GENERIC_KINDS: tuple[GenericKind, ...] = (
    CONFIG_MAPS,
    CORE_EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    PODS,
    POD_TEMPLATES,
    REPLICATION_CONTROLLERS,
    SECRETS,
    SERVICE_ACCOUNTS,
    DAEMON_SETS,
    DEPLOYMENTS,
    REPLICA_SETS,
    STATEFUL_SETS,
    CRON_JOBS,
    JOBS,
    NEW_EVENTS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    TRIGGER_PAUSES,
    SAMPLES_CONFIGS,
    IMAGE_PRUNERS,
    CUSTOM_RESOURCE_DEFINITIONS,
)


def register_generic_kinds(
    registry: Registry,
    database: Database,
    sealer: Sealer,
    *,
    without: Collection[GenericKind] = (),
) -> None:
    """Serves every generic kind from the database, but those that have a storage of their own."""
    for declared in GENERIC_KINDS:
        if declared in without:
            continue
        storage = build_storage(declared, database, sealer)
        registry.register(declared.kind, storage, storage.watch_source)


def build_storage(declared: GenericKind, database: Database, sealer: Sealer) -> GenericStorage:
    """The storage of one kind, for those who build on it (projects, housekeeping)."""
    return GenericStorage(declared.kind, database, declared.rules, sealer)
