"""Puts the kinds of this package, and service accounts with their tokens, into the registry."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.tokens import TokenKey
from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.routing import Registry
from tagstream.api.engine.rules import Rules
from tagstream.api.reviews.access_reviews import build_access_reviews
from tagstream.api.reviews.accounts import AccountStorage
from tagstream.api.reviews.identity import (
    TOKEN_SUBRESOURCE,
    USERS,
    UserStorage,
    build_identity_reviews,
)
from tagstream.api.reviews.projects import (
    PROJECT_REQUESTS,
    PROJECTS,
    ProjectRequestStorage,
    ProjectStorage,
)
from tagstream.store.database import Database


@dataclass(frozen=True, slots=True)
class ReviewDeps:
    """What the storages of this package need."""

    database: Database
    policies: PolicyCache
    authenticator: Authenticator
    key: TokenKey


def register_reviews(registry: Registry, deps: ReviewDeps) -> None:
    """Reviews and users/~."""
    access, identity = (
        build_access_reviews(deps.policies),
        build_identity_reviews(deps.authenticator),
    )
    for question in (*access, *identity):
        registry.register(question.kind, question.storage)
    registry.register(USERS, UserStorage())


def register_projects(registry: Registry, deps: ReviewDeps, namespace_rules: Rules) -> None:
    """Projects and project requests; `namespace_rules` are those of namespaces."""
    projects = ProjectStorage(deps.database, namespace_rules, deps.policies)
    registry.register(PROJECTS, projects, projects.watch_source)
    registry.register(PROJECT_REQUESTS, ProjectRequestStorage(deps.database, deps.policies))


def register_accounts(registry: Registry, deps: ReviewDeps, kind: Kind, rules: Rules) -> None:
    """Service accounts, with the `token` subresource added to the kind as it is declared."""
    with_token = replace(kind, subresources=(*kind.subresources, TOKEN_SUBRESOURCE))
    storage = AccountStorage(with_token, deps.database, rules, deps.key)
    registry.register(with_token, storage, storage.watch_source)
