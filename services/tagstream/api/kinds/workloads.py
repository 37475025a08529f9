"""The workloads of apps/v1: deployments, daemon sets, stateful sets, replica sets.

Nothing here runs a pod: they are kept, defaulted and validated as Kubernetes does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import (
    AGE,
    NAME,
    age_of,
    container_cells,
    labels_cell,
    name_of,
    number,
    selector_cell,
    text,
)
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.kinds.pod_defaults import default_template
from tagstream.api.kinds.pod_validation import validate_selected_template, validate_unchanged
from tagstream.api.kinds.scale import SCALE, build_scale_view, label_selector
from tagstream.api.wire.field_errors import FieldError, forbidden_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell

_CONTAINERS = text("Containers", wide=True)
_IMAGES = text("Images", wide=True)
_SELECTOR = text("Selector", wide=True)
_QUARTER = "25%"

Validator = Callable[[JsonObject, JsonObject | None], list[FieldError]]


def _default_deployment(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_template(spec)
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", _QUARTER)
        rolling.setdefault("maxSurge", _QUARTER)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _default_daemon_set(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_template(spec)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def _default_stateful_set(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    spec.setdefault("revisionHistoryLimit", 10)


def _default_replica_set(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_template(spec)
    spec.setdefault("replicas", 1)


def _validator(kind: str) -> Validator:
    def validate(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
        errors = validate_selected_template(new, kind)
        return errors + validate_unchanged(new, old, "selector")

    return validate


_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _validate_stateful_set(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    errors = validate_selected_template(new, "statefulset")
    if old is None or _fixed(new) == _fixed(old):
        return errors
    listed = ", ".join(f"'{name}'" for name in _CHANGEABLE[:-1])
    detail = (
        f"updates to statefulset spec for fields other than {listed} and "
        f"'{_CHANGEABLE[-1]}' are forbidden"
    )
    return [*errors, forbidden_value("spec", detail)]


def _fixed(item: JsonObject) -> JsonObject:
    return {key: value for key, value in item["spec"].items() if key not in _CHANGEABLE}


def _common(item: JsonObject) -> tuple[str, str, str]:
    spec = item["spec"]
    return *container_cells(spec["template"]["spec"]), selector_cell(spec.get("selector"))


def _deployment_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    status = item.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{item['spec'].get('replicas', 0)}"
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    return name_of(item), ready, updated, available, age_of(item, now), *_common(item)


def _daemon_set_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    status = item.get("status") or {}
    counts = [
        status.get(name, 0)
        for name in (
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        )
    ]
    nodes = labels_cell(item["spec"]["template"]["spec"].get("nodeSelector"))
    return name_of(item), *counts, nodes, age_of(item, now), *_common(item)


def _stateful_set_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    status = item.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{item['spec'].get('replicas', 0)}"
    return name_of(item), ready, age_of(item, now), *_common(item)[:2]


def _replica_set_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    status = item.get("status") or {}
    current, ready = status.get("replicas", 0), status.get("readyReplicas", 0)
    desired = item["spec"].get("replicas", 0)
    return name_of(item), desired, current, ready, age_of(item, now), *_common(item)


def _workload(
    kind: str,
    short_name: str,
    table: TableFormat,
    default: Callable[[JsonObject], None],
    validate: Validator,
    status: JsonObject,
    *,
    counts_annotations: bool = False,
    scales: bool = True,
) -> GenericKind:
    also = ("metadata.annotations",) if counts_annotations else ()
    return GenericKind(
        Kind(
            "apps",
            "v1",
            f"{kind.lower()}s",
            kind,
            kind.lower(),
            namespaced=True,
            short_names=(short_name,),
            categories=("all",),
            subresources=(*((SCALE,) if scales else ()), status_of(kind)),
            table=table,
            schema=f"io.k8s.api.apps.v1.{kind}",
        ),
        Rules(
            default=default,
            validate=validate,
            generations=("spec", *also),
            subresources={"status": "status"},
            views={"scale": build_scale_view(label_selector)} if scales else {},
            initial={"status": status},
        ),
    )


DEPLOYMENTS = _workload(
    "Deployment",
    "deploy",
    TableFormat(
        (
            NAME,
            text("Ready"),
            text("Up-to-date"),
            text("Available"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _SELECTOR,
        ),
        _deployment_cells,
    ),
    _default_deployment,
    _validator("deployment"),
    {},
    counts_annotations=True,
)
DAEMON_SETS = _workload(
    "DaemonSet",
    "ds",
    TableFormat(
        (
            NAME,
            number("Desired"),
            number("Current"),
            number("Ready"),
            number("Up-to-date"),
            number("Available"),
            text("Node Selector"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _SELECTOR,
        ),
        _daemon_set_cells,
    ),
    _default_daemon_set,
    _validator("daemonset"),
    {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    scales=False,
)
STATEFUL_SETS = _workload(
    "StatefulSet",
    "sts",
    TableFormat((NAME, text("Ready"), AGE, _CONTAINERS, _IMAGES), _stateful_set_cells),
    _default_stateful_set,
    _validate_stateful_set,
    {"replicas": 0, "availableReplicas": 0},
)
REPLICA_SETS = _workload(
    "ReplicaSet",
    "rs",
    TableFormat(
        (
            NAME,
            number("Desired"),
            number("Current"),
            number("Ready"),
            AGE,
            _CONTAINERS,
            _IMAGES,
            _SELECTOR,
        ),
        _replica_set_cells,
    ),
    _default_replica_set,
    _validator("replicaset"),
    {"replicas": 0},
)
