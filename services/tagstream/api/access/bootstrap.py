"""Makes the objects that every installation has, when the api starts.

Any number of replicas may do it at once: what another has made meanwhile is left as it is. A role
that is marked for it gets the rights that this version adds, and none is ever taken; bindings are
the administrator's once they exist.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import structlog

from tagstream.api.access.bootstrap_roles import (
    AUTOUPDATE,
    BOOTSTRAP_OBJECTS,
    CLUSTER_ROLES,
    NAMESPACE_OBJECTS,
)
from tagstream.api.access.namespace_defaults import add_namespace_defaults
from tagstream.api.access.rbac import parse_rules, uncovered_rules
from tagstream.api.access.system_objects import SystemObject, insert_object
from tagstream.errors import Conflict
from tagstream.store.database import Connection, Database
from tagstream.store.journal import Command, transaction
from tagstream.store.resources import Resource, list_resources, load_resource, update_resource

log = structlog.get_logger()

_ACTOR = "system:tagstream:api"
_Existing = Mapping[tuple[str, str, str, str], Resource]


async def apply_bootstrap(database: Database, now: datetime) -> int:
    """Makes what is missing and adds missing rights to roles; returns how many objects it wrote.

    Raises Unavailable when Postgres is away.
    """
    async with database.snapshot() as connection:
        existing = await _load_existing(connection)
    written = 0
    for one in (*NAMESPACE_OBJECTS, *BOOTSTRAP_OBJECTS):
        if one.key not in existing:
            written += await _make(database, one, now)
    for role in CLUSTER_ROLES:
        stored = existing.get(role.key)
        if stored is not None and needs_rules(stored.body, role.content):
            written += await _extend(database, role, now)
    if written:
        log.info("bootstrap objects written", count=written)
    return written


def needs_rules(stored: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    """Whether a stored role is kept up to date by us and lacks rights that we would give it."""
    metadata = stored.get("metadata")
    notes = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(notes, Mapping) or notes.get(AUTOUPDATE) != "true":
        return False
    return bool(uncovered_rules(parse_rules(stored), parse_rules(wanted)))


async def _load_existing(connection: Connection) -> _Existing:
    kinds = {(one.group, one.resource) for one in (*NAMESPACE_OBJECTS, *BOOTSTRAP_OBJECTS)}
    return {
        (row.group, row.resource, row.namespace, row.name): row
        for group, resource in sorted(kinds)
        for row in await list_resources(connection, group, resource)
    }


async def _make(database: Database, one: SystemObject, now: datetime) -> int:
    try:
        async with transaction(database, _command("create", one, now)) as tx:
            await insert_object(tx, one)
            if one.resource == "namespaces":
                await add_namespace_defaults(tx, one.name)
    except Conflict:
        return 0
    return 1


async def _extend(database: Database, role: SystemObject, now: datetime) -> int:
    async with transaction(database, _command("update", role, now)) as tx:
        stored = await load_resource(tx.connection, *role.key, lock=True)
        if stored is None or not needs_rules(stored.body, role.content):
            return 0
        held = parse_rules(stored.body)
        missing = [rule for rule in parse_rules(role.content) if uncovered_rules(held, [rule])]
        rules = [rule.to_json() for rule in (*held, *missing)]
        await update_resource(tx, replace(stored, body={**stored.body, "rules": rules}))
    return 1


def _command(verb: str, one: SystemObject, now: datetime) -> Command:
    return Command(
        id=str(uuid.uuid4()),
        kind=f"bootstrap.{verb}",
        at=now,
        actor=_ACTOR,
        cause="start of the api",
        arguments={"resource": one.resource, "namespace": one.namespace, "name": one.name},
    )
