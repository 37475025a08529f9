"""The essentials of validating pods, pod templates and their selectors, in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagstream.api.wire.field_errors import (
    FieldError,
    duplicate_value,
    invalid_value,
    required_value,
    unsupported_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_dns_label, validate_annotations, validate_labels

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
IMMUTABLE = "field is immutable"


def validate_pod_spec(spec: JsonObject, path: str, *, is_pod: bool = False) -> list[FieldError]:
    """Containers of a pod or of a template.

    A template may keep a place for an image with a blank, a pod may not.
    """
    errors: list[FieldError] = []
    if not spec.get("containers"):
        errors.append(required_value(f"{path}.containers"))
    seen: set[str] = set()
    for containers in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(containers) or []):
            below = f"{path}.{containers}[{index}]"
            errors += _validate_container(container, below, seen, is_pod=is_pod)
    policy = spec.get("restartPolicy")
    if policy not in _RESTART_POLICIES:
        errors.append(unsupported_value(f"{path}.restartPolicy", policy, _RESTART_POLICIES))
    return errors


def _validate_container(
    container: JsonObject, path: str, seen: set[str], *, is_pod: bool
) -> list[FieldError]:
    errors: list[FieldError] = []
    name, image = container.get("name") or "", container.get("image") or ""
    if not name:
        errors.append(required_value(f"{path}.name"))
    elif name in seen:
        errors.append(duplicate_value(f"{path}.name", name))
    else:
        errors += [invalid_value(f"{path}.name", name, text) for text in check_dns_label(name)]
    seen.add(name)
    if not image:
        errors.append(required_value(f"{path}.image"))
    elif is_pod and image.strip() != image:
        detail = "must not have leading or trailing whitespace"
        errors.append(invalid_value(f"{path}.image", image, detail))
    policy = container.get("imagePullPolicy")
    if policy not in _PULL_POLICIES:
        errors.append(unsupported_value(f"{path}.imagePullPolicy", policy, _PULL_POLICIES))
    return errors


def validate_template(template: JsonObject, path: str) -> list[FieldError]:
    """A pod template's metadata and specification."""
    metadata = template.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    errors = validate_labels(labels, f"{path}.labels")
    errors += validate_annotations(annotations, f"{path}.annotations")
    return errors + validate_pod_spec(template.get("spec") or {}, f"{path}.spec")


def validate_selected_template(new: JsonObject, kind: str) -> list[FieldError]:
    """Selector and template of a workload: the one must select the other."""
    spec = new["spec"]
    selector, template = spec.get("selector"), spec["template"]
    labels = (template.get("metadata") or {}).get("labels")
    errors: list[FieldError] = []
    if selector is None:
        errors.append(required_value("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        detail = f"empty selector is invalid for {kind}"
        errors.append(invalid_value("spec.selector", selector, detail))
    if selector is None or not selector_matches(selector, labels or {}):
        detail = "`selector` does not match template `labels`"
        errors.append(invalid_value("spec.template.metadata.labels", labels, detail))
    errors += validate_template(template, "spec.template")
    policy = template["spec"]["restartPolicy"]
    if policy != "Always":
        path = "spec.template.spec.restartPolicy"
        errors.append(unsupported_value(path, policy, ["Always"]))
    return errors + validate_not_negative(spec, "replicas", "minReadySeconds")


def validate_not_negative(spec: JsonObject, *names: str) -> list[FieldError]:
    """Counts in a spec."""
    return [
        invalid_value(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in names
        if spec.get(name) is not None and spec[name] < 0
    ]


def validate_unchanged(new: JsonObject, old: JsonObject | None, *names: str) -> list[FieldError]:
    """Fields of the spec that stay as they were created."""
    if old is None:
        return []
    return [
        invalid_value(f"spec.{name}", new["spec"].get(name), IMMUTABLE)
        for name in names
        if new["spec"].get(name) != old["spec"].get(name)
    ]


def selector_matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector object selects these labels; an unknown operator never does."""
    exact = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in exact.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or [])


def _holds(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(one.get("key", "")), one.get("values") or []
    match one.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
