"""Cells that many kinds' Tables share, as Kubernetes prints them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell, Column, short_age

NAME = Column(
    "Name",
    format="name",
    description="Name must be unique within a namespace. Is required when creating resources, "
    "although some resources may allow a client to request the generation of an appropriate name "
    "automatically. Name is primarily intended for creation idempotence and configuration "
    "definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
)
AGE = Column(
    "Age",
    description="CreationTimestamp is a timestamp representing the server time when this object "
    "was created. It is not guaranteed to be set in happens-before order across separate "
    "operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC."
    "\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
)


def text(name: str, description: str = "", *, wide: bool = False) -> Column:
    """A column of strings; `wide` shows only with `-o wide`."""
    return Column(name, description=description, priority=1 if wide else 0)


def number(name: str) -> Column:
    """A column of whole numbers."""
    return Column(name, "integer")


def name_of(item: JsonObject) -> str:
    return str(item["metadata"].get("name", ""))


def age_of(item: JsonObject, now: datetime) -> str:
    """Time since creation."""
    return age_since(item["metadata"].get("creationTimestamp"), now)


def age_since(time: object, now: datetime) -> str:
    """Time since an RFC 3339 time; `<unknown>` when there is none."""
    parsed = parse_time(time)
    return "<unknown>" if parsed is None else short_age(now - parsed)


def parse_time(time: object) -> datetime | None:
    """An RFC 3339 time, None for anything else."""
    if not isinstance(time, str):
        return None
    try:
        parsed = datetime.fromisoformat(time.replace("Z", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def container_cells(pod_spec: Mapping[str, Any]) -> tuple[str, str]:
    """Names and images of the containers."""
    containers = pod_spec.get("containers") or []
    names = ",".join(str(one.get("name", "")) for one in containers)
    return names, ",".join(str(one.get("image", "")) for one in containers)


def labels_cell(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, sorted; `<none>` for no labels."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or "<none>"


_WORDS = {"In": "in", "NotIn": "notin"}


def selector_cell(selector: Mapping[str, Any] | None) -> str:
    """A label selector in one line."""
    if not selector:
        return "<none>"
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or []:
        key, operator = one.get("key", ""), one.get("operator", "")
        if operator in _WORDS:
            parts.append(f"{key} {_WORDS[operator]} ({','.join(sorted(one.get('values') or []))})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts) or "<none>"


def cell(value: object) -> Cell:
    """A field's value as a cell."""
    return value if isinstance(value, str | int | bool) or value is None else str(value)
