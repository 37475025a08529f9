"""Namespaces: they wait for the housekeeping to empty them before they go."""

from __future__ import annotations

from datetime import datetime

from tagstream.api.engine.kinds import Kind, Subresource, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import AGE, NAME, age_of, name_of, text
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_dns_label
from tagstream.api.wire.table import Cell

_NAME_LABEL = "kubernetes.io/metadata.name"
# Without its namespace and the rights in it a part of ours would stand still.
_OURS = ("openshift", "openshift-cluster-samples-operator", "tagstream-system")
_KEPT = frozenset({"default", "kube-system", "kube-public", *_OURS})


def _default(item: JsonObject) -> None:
    metadata = item["metadata"]
    metadata.setdefault("labels", {})[_NAME_LABEL] = metadata.get("name", "")
    item.setdefault("spec", {}).setdefault("finalizers", [])
    item.setdefault("status", {"phase": "Active"})


def _is_waiting(item: JsonObject) -> bool:
    return bool((item.get("spec") or {}).get("finalizers"))


def _on_deletion(item: JsonObject) -> None:
    item["status"] = {**(item.get("status") or {}), "phase": "Terminating"}


def _keep_reason(item: JsonObject) -> str:
    return "this namespace may not be deleted" if name_of(item) in _KEPT else ""


def _cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    return name_of(item), (item.get("status") or {}).get("phase", ""), age_of(item, now)


NAMESPACES = GenericKind(
    Kind(
        "",
        "v1",
        "namespaces",
        "Namespace",
        "namespace",
        namespaced=False,
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        short_names=("ns",),
        subresources=(
            Subresource("finalize", "Namespace", ("update",)),
            status_of("Namespace"),
        ),
        table=TableFormat((NAME, text("Status", "The status of the namespace"), AGE), _cells),
        selectable_fields=("status.phase",),
        schema="io.k8s.api.core.v1.Namespace",
    ),
    Rules(
        default=_default,
        check_name=check_dns_label,
        subresources={"status": "status", "finalize": "spec.finalizers"},
        initial={"status": {"phase": "Active"}, "spec.finalizers": ["kubernetes"]},
        is_waiting=_is_waiting,
        on_deletion=_on_deletion,
        keep_reason=_keep_reason,
    ),
)
