"""What every namespace has from the start: three service accounts and three role bindings.

Whoever inserts a namespace calls `add_namespace_defaults` in the same transaction; housekeeping
repairs what was deleted. Source: spec/image-api-and-import.md §9.2.
"""

from __future__ import annotations

from collections.abc import Collection

from tagstream.api.access.rbac import ACCOUNTS, Subject
from tagstream.api.access.system_objects import (
    SystemObject,
    build_account,
    build_binding,
    insert_object,
    to_resource,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.store.journal import Command, Transaction
from tagstream.store.resources import Resource

_ACCOUNTS = ("builder", "default", "deployer")
_DESCRIPTION = "openshift.io/description"
_PULLERS = "Lets all pods of this namespace pull its images."
_BUILDERS = "Lets builds of this namespace push and pull its images."
_DEPLOYERS = "Lets deployments of this namespace run."

#: Group, resource and name of what has to exist in each namespace.
DEFAULT_KEYS: tuple[tuple[str, str, str], ...] = (
    *(("", "serviceaccounts", name) for name in _ACCOUNTS),
    ("rbac.authorization.k8s.io", "rolebindings", "system:image-pullers"),
    ("rbac.authorization.k8s.io", "rolebindings", "system:image-builders"),
    ("rbac.authorization.k8s.io", "rolebindings", "system:deployers"),
)


def default_objects(namespace: str) -> tuple[SystemObject, ...]:
    """All of them, in the order of `DEFAULT_KEYS`."""
    every_account = Subject("Group", f"{ACCOUNTS}:{namespace}")
    builder = Subject("ServiceAccount", "builder", namespace)
    deployer = Subject("ServiceAccount", "deployer", namespace)
    return (
        *(build_account(namespace, name) for name in _ACCOUNTS),
        _binding(namespace, "system:image-pullers", "puller", every_account, _PULLERS),
        _binding(namespace, "system:image-builders", "builder", builder, _BUILDERS),
        _binding(namespace, "system:deployers", "", deployer, _DEPLOYERS),
    )


def _binding(
    namespace: str, name: str, image_role: str, subject: Subject, text: str
) -> SystemObject:
    role = f"system:image-{image_role}" if image_role else "system:deployer"
    return build_binding(namespace, name, role, subject, annotations={_DESCRIPTION: text})


async def add_namespace_defaults(
    tx: Transaction, namespace: str, *, only: Collection[tuple[str, str, str]] = DEFAULT_KEYS
) -> None:
    """Inserts them, or `only` some. One that exists ends the transaction with Conflict."""
    for one in default_objects(namespace):
        if (one.group, one.resource, one.name) in only:
            await insert_object(tx, one)


def namespace_companions(item: JsonObject, command: Command) -> list[Resource]:
    """The rows that a new namespace brings with it: for whoever inserts by rules."""
    return [to_resource(one, command) for one in default_objects(item["metadata"]["name"])]
