"""The kinds of config.openshift.io: what operators say of themselves, and the rules for registries.

Owns the declarations. The samples-manager writes the ClusterOperator `openshift-samples`
(spec/samples-and-templates.md §11.1) and obeys the Image `cluster` (§5).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import NAME, age_since, cell, name_of, text
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell

_GROUP = "config.openshift.io"
_PACKAGE = "com.github.openshift.api.config.v1"
_SHOWN = ("Available", "Progressing", "Degraded")


def _operator_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    status = item.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or []}
    versions = {one.get("name"): one.get("version") for one in status.get("versions") or []}
    shown: list[dict[str, Any]] = [conditions.get(kind) or {} for kind in _SHOWN]
    said = next((one for one in shown[1:] if one.get("status") == "True"), shown[0])
    since = shown[0].get("lastTransitionTime")
    return (
        name_of(item),
        cell(versions.get("operator")),
        *(cell(one.get("status")) for one in shown),
        age_since(since, now) if since else "",
        cell(said.get("message")),
    )


CLUSTER_OPERATORS = GenericKind(
    Kind(
        _GROUP,
        "v1",
        "clusteroperators",
        "ClusterOperator",
        "clusteroperator",
        namespaced=False,
        short_names=("co",),
        subresources=(status_of("ClusterOperator"),),
        table=TableFormat(
            (NAME, text("Version"), *map(text, _SHOWN), text("Since"), text("Message")),
            _operator_cells,
        ),
        schema=f"{_PACKAGE}.ClusterOperator",
    ),
    Rules(generations=("spec",), subresources={"status": "status"}),
)
IMAGE_CONFIGS = GenericKind(
    Kind(
        _GROUP,
        "v1",
        "images",
        "Image",
        "image",
        namespaced=False,
        subresources=(status_of("Image"),),
        schema=f"{_PACKAGE}.Image",
    ),
    Rules(generations=("spec",), subresources={"status": "status"}),
)
#: All of the group, in the order of discovery.
CLUSTER_CONFIGURATION = (CLUSTER_OPERATORS, IMAGE_CONFIGS)
