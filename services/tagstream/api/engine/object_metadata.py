"""What the server makes of an object's metadata: identity, generation, deletion. Pure.

Times are RFC 3339 with whole seconds. Managed fields are not kept (docs/deviations.md).
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import (
    check_label_key,
    mask_trailing_dash,
    validate_annotations,
    validate_labels,
)

_SERVER_OWNED = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
    "name",
    "namespace",
)
_DROPPED = ("selfLink", "managedFields", "clusterName")
_OPTIONAL = ("labels", "annotations", "ownerReferences", "finalizers")
_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"


def format_time(at: datetime) -> str:
    """An aware UTC time as the API writes it: whole seconds and `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def derive_uid(command_id: str) -> str:
    """The uid of the object that a command creates: the same in every replay."""
    return str(uuid.uuid5(uuid.UUID(command_id), "object"))


def new_metadata(wanted: JsonObject, uid: str, at: datetime, *, generation: bool) -> JsonObject:
    """The metadata of a new object from what the client sent."""
    kept = {
        name: wanted[name] for name in ("name", "generateName", "namespace") if wanted.get(name)
    }
    kept["uid"] = uid
    if generation:
        kept["generation"] = 1
    kept["creationTimestamp"] = format_time(at)
    for name in _OPTIONAL:
        if wanted.get(name):
            kept[name] = wanted[name]
    return kept


def carry_over(old: JsonObject, wanted: JsonObject) -> JsonObject:
    """The metadata of a changed object: what the server owns stays, the rest is the client's."""
    kept = {name: old[name] for name in _SERVER_OWNED if name in old}
    for name in _OPTIONAL:
        if wanted.get(name):
            kept[name] = wanted[name]
    return kept


def validate_metadata(
    metadata: JsonObject, check_name: Callable[[str], list[str]]
) -> list[FieldError]:
    """Errors of name, labels, annotations, finalizers and owners."""
    errors = _validate_names(metadata, check_name)
    errors += validate_labels(metadata.get("labels") or {}, "metadata.labels")
    errors += validate_annotations(metadata.get("annotations") or {}, "metadata.annotations")
    for finalizer in metadata.get("finalizers") or []:
        complaints = check_label_key(finalizer)
        errors += [invalid_value("metadata.finalizers", finalizer, text) for text in complaints]
    return errors + _validate_owners(metadata.get("ownerReferences") or [])


def _validate_names(
    metadata: JsonObject, check_name: Callable[[str], list[str]]
) -> list[FieldError]:
    name, base = metadata.get("name", ""), metadata.get("generateName", "")
    if not name:
        return [required_value("metadata.name", "name or generateName is required")]
    errors = [
        invalid_value("metadata.generateName", base, text)
        for text in (check_name(mask_trailing_dash(base)) if base else [])
    ]
    return errors + [invalid_value("metadata.name", name, text) for text in check_name(name)]


def _validate_owners(owners: list[JsonObject]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        for name in ("apiVersion", "kind", "name", "uid"):
            value = owner.get(name)
            if not value or not isinstance(value, str):
                errors.append(
                    invalid_value(f"{path}.{name}", value or "", f"{name} must not be empty")
                )
    return errors


def read_path(item: JsonObject, path: str) -> Any:
    """A deep copy of what a dotted path holds; None when there is nothing."""
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return copy.deepcopy(value)


def write_path(item: JsonObject, path: str, value: object) -> None:
    """Puts a value at a dotted path; None removes what is there."""
    *parents, last = path.split(".")
    for part in parents:
        if not isinstance(item.get(part), dict):
            if value is None:
                return
            item[part] = {}
        item = item[part]
    if value is None:
        item.pop(last, None)
    else:
        item[last] = value


def deletion_finalizers(metadata: JsonObject, propagation: str) -> list[str]:
    """The finalizers of an object that is being deleted with this propagation policy."""
    kept = [f for f in metadata.get("finalizers") or [] if f not in (_FOREGROUND, _ORPHAN)]
    if propagation == "Foreground":
        return [*kept, _FOREGROUND]
    if propagation == "Orphan":
        return [*kept, _ORPHAN]
    return kept


def drop_unkept(metadata: JsonObject) -> None:
    """Removes the metadata that we do not keep."""
    for name in _DROPPED:
        metadata.pop(name, None)
