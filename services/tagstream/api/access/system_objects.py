"""Objects that the server itself makes: as templates, and as rows of the store.

Owns the metadata the server sets. Which objects there are is `bootstrap_roles.py` and
`namespace_defaults.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tagstream.api.access.rbac import GROUP, Rule, Subject
from tagstream.api.wire.json_types import JsonObject
from tagstream.store.journal import Change, Command, Transaction
from tagstream.store.resources import Resource, insert_resource


@dataclass(frozen=True, slots=True)
class SystemObject:
    """An object to make. `content` is everything besides kind, apiVersion and metadata."""

    group: str
    resource: str
    kind: str
    namespace: str
    name: str
    content: JsonObject = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.group, self.resource, self.namespace, self.name)

    @property
    def api_version(self) -> str:
        return f"{self.group}/v1" if self.group else "v1"


def to_resource(one: SystemObject, command: Command) -> Resource:
    """The row. Its uid follows from the command, so that a replay makes the same one."""
    uid = str(uuid.uuid5(uuid.UUID(command.id), "/".join(one.key)))
    metadata: JsonObject = {"name": one.name}
    if one.namespace:
        metadata["namespace"] = one.namespace
    metadata |= {"uid": uid, "creationTimestamp": format_second(command.at)}
    if one.labels:
        metadata["labels"] = dict(one.labels)
    if one.annotations:
        metadata["annotations"] = dict(one.annotations)
    body = {"kind": one.kind, "apiVersion": one.api_version, "metadata": metadata} | one.content
    return Resource(
        one.group, one.resource, one.namespace, one.name, uid, 0, dict(one.labels), body
    )


async def insert_object(tx: Transaction, one: SystemObject) -> Change:
    """Stores it. A taken name ends the transaction with Conflict."""
    return await insert_resource(tx, to_resource(one, tx.command))


def format_second(at: datetime) -> str:
    """A time as objects show it: UTC, whole seconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def build_namespace(name: str, annotations: Mapping[str, str] | None = None) -> SystemObject:
    """An active namespace."""
    return SystemObject(
        "",
        "namespaces",
        "Namespace",
        "",
        name,
        {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
        {"kubernetes.io/metadata.name": name},
        annotations or {},
    )


def build_account(namespace: str, name: str) -> SystemObject:
    """A service account."""
    return SystemObject("", "serviceaccounts", "ServiceAccount", namespace, name)


def build_cluster_role(
    name: str,
    rules: tuple[Rule, ...],
    *,
    content: JsonObject | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> SystemObject:
    """A ClusterRole; `content` holds what it has besides rules."""
    body = {"rules": [rule.to_json() for rule in rules]} | (content or {})
    return SystemObject(
        GROUP, "clusterroles", "ClusterRole", "", name, body, labels or {}, annotations or {}
    )


def build_binding(
    namespace: str,
    name: str,
    role: str,
    *subjects: Subject,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> SystemObject:
    """A binding of a ClusterRole: in a namespace, or with "" everywhere."""
    resource, kind = (
        ("rolebindings", "RoleBinding")
        if namespace
        else ("clusterrolebindings", "ClusterRoleBinding")
    )
    content = {
        "subjects": [_subject_json(subject) for subject in subjects],
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
    }
    return SystemObject(
        GROUP, resource, kind, namespace, name, content, labels or {}, annotations or {}
    )


def _subject_json(subject: Subject) -> JsonObject:
    if subject.kind == "ServiceAccount":
        return {"kind": subject.kind, "name": subject.name, "namespace": subject.namespace}
    return {"kind": subject.kind, "apiGroup": GROUP, "name": subject.name}
