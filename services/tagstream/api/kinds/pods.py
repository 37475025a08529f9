"""Pods, pod templates and replication controllers."""

from __future__ import annotations

import copy
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
    text,
)
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.kinds.pod_defaults import default_pod_spec, default_template
from tagstream.api.kinds.pod_validation import (
    selector_matches,
    validate_not_negative,
    validate_pod_spec,
    validate_template,
)
from tagstream.api.kinds.scale import SCALE, build_scale_view, plain_selector
from tagstream.api.wire.field_errors import (
    FieldError,
    forbidden_value,
    invalid_value,
    required_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell

_POD_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)


def _default_pod(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)


def _validate_pod(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    errors = validate_pod_spec(new["spec"], "spec", is_pod=True)
    if old is not None and _fixed_part(new) != _fixed_part(old):
        errors.append(forbidden_value("spec", _POD_FIXED))
    return errors


def _fixed_part(item: JsonObject) -> JsonObject:
    spec = copy.deepcopy(item["spec"])
    for name in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        spec.pop(name, None)
    for containers in ("containers", "initContainers"):
        for container in spec.get(containers) or []:
            container.pop("image", None)
    fixed: JsonObject = spec
    return fixed


def _validate_pod_template(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    return validate_template(new["template"], "template")


def _default_controller(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_template(spec)
    spec.setdefault("replicas", 1)
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        spec.setdefault("selector", dict(labels))
        item["metadata"].setdefault("labels", dict(labels))


def _validate_controller(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    spec, errors = new["spec"], []
    selector, labels = spec.get("selector"), spec["template"]["metadata"].get("labels") or {}
    if not selector:
        errors.append(required_value("spec.selector"))
    elif not selector_matches({"matchLabels": selector}, labels):
        detail = "`selector` does not match template `labels`"
        errors.append(invalid_value("spec.template.metadata.labels", labels, detail))
    errors += validate_template(spec["template"], "spec.template")
    return errors + validate_not_negative(spec, "replicas", "minReadySeconds")


def _pod_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    spec, status = item["spec"], item.get("status") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(bool(one.get("ready")) for one in containers)
    reason = status.get("reason") or status.get("phase", "")
    return (
        name_of(item),
        f"{ready}/{len(spec.get('containers') or [])}",
        "Terminating" if item["metadata"].get("deletionTimestamp") else reason,
        str(sum(one.get("restartCount", 0) for one in containers)),
        age_of(item, now),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        "<none>",
    )


def _pod_template_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    template = item["template"]
    labels = labels_cell((template.get("metadata") or {}).get("labels"))
    return name_of(item), *container_cells(template["spec"]), labels


def _controller_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    spec, status = item["spec"], item.get("status") or {}
    return (
        name_of(item),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age_of(item, now),
        *container_cells(spec["template"]["spec"]),
        labels_cell(spec.get("selector")),
    )


PODS = GenericKind(
    Kind(
        "",
        "v1",
        "pods",
        "Pod",
        "pod",
        namespaced=True,
        short_names=("po",),
        categories=("all",),
        subresources=(status_of("Pod"),),
        table=TableFormat(
            (
                NAME,
                text("Ready"),
                text("Status"),
                text("Restarts"),
                AGE,
                text("IP", wide=True),
                text("Node", wide=True),
                text("Nominated Node", wide=True),
                text("Readiness Gates", wide=True),
            ),
            _pod_cells,
        ),
        selectable_fields=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
        schema="io.k8s.api.core.v1.Pod",
    ),
    Rules(
        default=_default_pod,
        validate=_validate_pod,
        subresources={"status": "status"},
        initial={"status": {"phase": "Pending", "qosClass": "BestEffort"}},
    ),
)
POD_TEMPLATES = GenericKind(
    Kind(
        "",
        "v1",
        "podtemplates",
        "PodTemplate",
        "podtemplate",
        namespaced=True,
        table=TableFormat(
            (NAME, text("Containers"), text("Images"), text("Pod Labels")), _pod_template_cells
        ),
        schema="io.k8s.api.core.v1.PodTemplate",
    ),
    Rules(default=default_template, validate=_validate_pod_template, generations=("template",)),
)
REPLICATION_CONTROLLERS = GenericKind(
    Kind(
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        "replicationcontroller",
        namespaced=True,
        short_names=("rc",),
        categories=("all",),
        subresources=(SCALE, status_of("ReplicationController")),
        table=TableFormat(
            (
                NAME,
                number("Desired"),
                number("Current"),
                number("Ready"),
                AGE,
                text("Containers", wide=True),
                text("Images", wide=True),
                text("Selector", wide=True),
            ),
            _controller_cells,
        ),
        selectable_fields=("status.replicas",),
        schema="io.k8s.api.core.v1.ReplicationController",
    ),
    Rules(
        default=_default_controller,
        validate=_validate_controller,
        generations=("spec",),
        views={"scale": build_scale_view(plain_selector)},
        subresources={"status": "status"},
        initial={"status": {"replicas": 0}},
    ),
)
