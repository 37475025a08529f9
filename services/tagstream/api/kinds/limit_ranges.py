"""LimitRanges: kept and validated as Kubernetes does.

Nothing is refused because of them yet: the pruner alone reads them, for images that are larger than
their namespace allows (`tagstream.pruning.size_limits`).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.wire.field_errors import (
    FieldError,
    duplicate_value,
    forbidden_value,
    invalid_value,
    required_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_label_key
from tagstream.errors import InvalidInput
from tagstream.pruning.size_limits import parse_quantity

_POD, _CONTAINER, _CLAIM = "Pod", "Container", "PersistentVolumeClaim"
_TYPES = (_POD, _CONTAINER, _CLAIM)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_RESOURCES = frozenset(
    {
        *_COMPUTE,
        *("storage", "requests.storage", *(f"requests.{name}" for name in _COMPUTE)),
        *(f"limits.{name}" for name in _COMPUTE),
        *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
    }
)
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
# The first must not be more than the second; the third is the field that is complained of.
_ORDERS = (
    ("min", "max", "min"),
    ("min", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest"),
    ("min", "default", "default"),
    ("default", "max", "default"),
)
_WORDS = {"min": "min", "max": "max", "default": "default", "defaultRequest": "default request"}
_Amounts = dict[str, dict[str, Decimal]]


def _default(item: JsonObject) -> None:
    """A container's limits are the largest allowed, its requests the limits or the least."""
    for limit in (item.get("spec") or {}).get("limits") or []:
        if limit.get("type") != _CONTAINER:
            continue
        defaults = {**(limit.get("max") or {}), **(limit.get("default") or {})}
        requests = {
            **(limit.get("min") or {}),
            **defaults,
            **(limit.get("defaultRequest") or {}),
        }
        for field, amounts in (("default", defaults), ("defaultRequest", requests)):
            if amounts:
                limit[field] = amounts


def _validate(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, limit in enumerate((new.get("spec") or {}).get("limits") or []):
        path, kind = f"spec.limits[{index}]", str(limit.get("type") or "")
        errors += _validate_type(kind, f"{path}.type")
        if kind in seen:
            errors.append(duplicate_value(f"{path}.type", kind))
        seen.add(kind)
        errors += _validate_needs(kind, limit, path)
        errors += _validate_amounts(kind, limit, path)
    return errors


def _validate_type(kind: str, path: str) -> list[FieldError]:
    complaints = check_label_key(kind)
    if not complaints and "/" not in kind and kind not in _TYPES:
        complaints = ["must be a standard limit type or fully qualified"]
    return [invalid_value(path, kind, text) for text in complaints]


def _validate_needs(kind: str, limit: JsonObject, path: str) -> Iterator[FieldError]:
    if kind == _POD:
        for field in ("default", "defaultRequest"):
            if limit.get(field):
                text = "may not be specified when `type` is 'Pod'"
                yield forbidden_value(f"{path}.{field}", text)
    bounds = {**(limit.get("max") or {}), **(limit.get("min") or {})}
    if kind == _CLAIM and "storage" not in bounds:
        yield required_value(
            f"{path}.limits",
            "either minimum or maximum storage value is required, but neither was provided",
        )


def _validate_amounts(kind: str, limit: JsonObject, path: str) -> Iterator[FieldError]:
    amounts: _Amounts = {field: {} for field in _AMOUNTS}
    for field in _AMOUNTS:
        for name, value in (limit.get(field) or {}).items():
            where = f"{path}.{field}[{name}]"
            yield from (invalid_value(where, name, text) for text in _check_resource(kind, name))
            try:
                amounts[field][name] = parse_quantity(where, str(value))
            except InvalidInput as error:
                yield invalid_value(where, value, error.reason)
    yield from _validate_orders(amounts, limit, path)


def _validate_orders(amounts: _Amounts, limit: JsonObject, path: str) -> Iterator[FieldError]:
    for lower, upper, blamed in _ORDERS:
        is_limit = (lower, upper) == ("defaultRequest", "default")
        words = "default limit" if is_limit else _WORDS[upper]
        for name in sorted(amounts[lower].keys() & amounts[upper].keys()):
            if amounts[lower][name] > amounts[upper][name]:
                text = (
                    f"{_WORDS[lower]} value {limit[lower][name]} is greater than "
                    f"{words} value {limit[upper][name]}"
                )
                yield invalid_value(f"{path}.{blamed}[{name}]", limit[blamed][name], text)
    for name, ratio in amounts["maxLimitRequestRatio"].items():
        if ratio < 1:
            value = limit["maxLimitRequestRatio"][name]
            where = f"{path}.maxLimitRequestRatio[{name}]"
            yield invalid_value(where, value, f"ratio {value} is less than 1")


def _check_resource(kind: str, name: str) -> list[str]:
    complaints = check_label_key(name)
    if complaints or "/" in name or name.startswith("hugepages-"):
        return complaints
    if kind in (_POD, _CONTAINER):
        return [] if name in _COMPUTE else ["must be a standard resource for containers"]
    return [] if name in _RESOURCES else ["must be a standard resource type or fully qualified"]


LIMIT_RANGES = GenericKind(
    Kind(
        "",
        "v1",
        "limitranges",
        "LimitRange",
        "limitrange",
        namespaced=True,
        short_names=("limits",),
        schema="io.k8s.api.core.v1.LimitRange",
    ),
    Rules(default=_default, validate=_validate),
)
