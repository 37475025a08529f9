"""Puts the api together: every kind with its storage, and what answers beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.namespace_defaults import namespace_companions
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.tokens import TokenKey
from tagstream.api.documents.documents import Documents
from tagstream.api.engine.applying import merge_applied
from tagstream.api.engine.routing import Registry
from tagstream.api.images.convert import GROUP, RegistryNames
from tagstream.api.images.deps import Fetcher, ImageDeps
from tagstream.api.images.kinds import build_image_storages
from tagstream.api.images.pull_secrets import StoredPullSecrets
from tagstream.api.kinds.cluster_configuration import CLUSTER_CONFIGURATION
from tagstream.api.kinds.configuration import SERVICE_ACCOUNTS
from tagstream.api.kinds.core import build_storage, register_generic_kinds
from tagstream.api.kinds.namespaces import NAMESPACES
from tagstream.api.page.routes import Page
from tagstream.api.reviews.registration import (
    ReviewDeps,
    register_accounts,
    register_projects,
    register_reviews,
)
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.server.app import App, build_app
from tagstream.api.settings import Settings
from tagstream.api.templates.kinds import register_templates
from tagstream.api.watch.folding import StreamFolder
from tagstream.api.watch.hub import JournalHub
from tagstream.errors import InvalidInput
from tagstream.images.platform import Platform
from tagstream.store.database import Database
from tagstream.store.sealing import Sealer, load_sealer


@dataclass(frozen=True, slots=True)
class Api:
    """The application, and what has to run beside it."""

    app: App
    hub: JournalHub
    policies: PolicyCache
    page: Page


def build_api(
    settings: Settings,
    database: Database,
    fetcher: Fetcher,
    clock: Callable[[], datetime],
    ready: Callable[[], str | None],
) -> Api:
    """Reads the key files; raises InvalidInput when one cannot be used."""
    names = RegistryNames(settings.internal_registry, settings.external_registry)
    policies = PolicyCache(database)
    key = _load_token_key(settings.api_token_key_file)
    authenticator = Authenticator(key, policies, clock)
    registry = Registry()
    sealer = load_sealer(settings.secret_key_file)
    _register_core(registry, sealer, database, ReviewDeps(database, policies, authenticator, key))
    _register_images(registry, settings, database, policies, fetcher, names)
    # After the images of image.openshift.io: a client takes the first kind that is called so.
    _register_configuration(registry, sealer, database)
    hub = JournalHub(database, {(GROUP, "imagestreams"): StreamFolder(database, names).shape})
    schemas = Schemas()
    documents = Documents(lambda: list(registry.kinds), schemas)
    resources = {(k.api_version, k.kind): (k.group, k.resource) for k in registry.kinds}
    page = Page(database, policies, authenticator, sealer, names, resources, clock)
    app = build_app(
        registry,
        authenticator,
        policies,
        hub,
        schemas,
        documents,
        clock,
        ready=ready,
        apply=merge_applied,
        page=page,
    )
    return Api(app, hub, policies, page)


def _register_core(
    registry: Registry, sealer: Sealer, database: Database, deps: ReviewDeps
) -> None:
    namespaces = replace(
        NAMESPACES, rules=replace(NAMESPACES.rules, companions=namespace_companions)
    )
    register_generic_kinds(registry, database, sealer, without=(NAMESPACES, SERVICE_ACCOUNTS))
    storage = build_storage(namespaces, database, sealer)
    registry.register(namespaces.kind, storage, storage.watch_source)
    register_accounts(registry, deps, SERVICE_ACCOUNTS.kind, SERVICE_ACCOUNTS.rules)
    register_reviews(registry, deps)
    register_projects(registry, deps, namespaces.rules)
    register_templates(registry, database, sealer)


def _register_images(
    registry: Registry,
    settings: Settings,
    database: Database,
    policies: PolicyCache,
    fetcher: Fetcher,
    names: RegistryNames,
) -> None:
    """Imports read pull secrets as the registry keeps them: it has to know Secrets already."""
    secrets = registry.get("", "v1", "secrets")
    assert secrets is not None
    images = ImageDeps(
        database,
        policies,
        fetcher,
        StoredPullSecrets(secrets.storage),
        names,
        Platform(settings.import_platform_os, settings.import_platform_arch),
        settings.max_images_bulk_imported_per_repository,
    )
    for kind, storage in build_image_storages(images):
        registry.register(kind, storage)


def _register_configuration(registry: Registry, sealer: Sealer, database: Database) -> None:
    for declared in CLUSTER_CONFIGURATION:
        kept = build_storage(declared, database, sealer)
        registry.register(declared.kind, kept, kept.watch_source)


def _load_token_key(path: Path) -> TokenKey:
    try:
        return TokenKey.from_pem(path.read_bytes())
    except OSError as error:
        raise InvalidInput("TAGSTREAM_API_TOKEN_KEY_FILE", f"cannot be read: {error}") from error
