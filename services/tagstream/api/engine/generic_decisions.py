"""What a write makes of a generic object: from the old one and the wanted one to the new. Pure.

Owns defaulting order, identity, generations, subresources and optimistic concurrency; raises the
ApiErrors that belong to them. Reading and writing rows is `generic_storage.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson

from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.object_metadata import (
    carry_over,
    deletion_finalizers,
    drop_unkept,
    format_time,
    new_metadata,
    read_path,
    validate_metadata,
    write_path,
)
from tagstream.api.engine.rules import Rules
from tagstream.api.engine.storage import DeleteOptions
from tagstream.api.wire.field_errors import FieldError, forbidden_value, invalid_value
from tagstream.api.wire.json_types import JsonObject, copy_json
from tagstream.api.wire.status import bad_request, conflict, forbidden, invalid

_VERSION = "metadata.resourceVersion"
# An escaped NUL, the one character that JSON can hold and Postgres cannot.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def decide_new(kind: Kind, rules: Rules, wanted: JsonObject, uid: str, at: datetime) -> JsonObject:
    """A new object, complete and valid. Raises 400 and 422."""
    new = _copy_without_nulls(wanted)
    new["metadata"] = new_metadata(new["metadata"], uid, at, generation=bool(rules.generations))
    for path in rules.subresources.values():
        write_path(new, path, rules.initial.get(path))
    with _readable(kind):
        rules.default(new)
        _check(kind, rules, new, None)
    return new


def decide_changed(
    kind: Kind, rules: Rules, old: JsonObject, wanted: JsonObject, subresource: str
) -> JsonObject:
    """The object after a PUT or PATCH; equal to `old` when nothing changes.

    `old` and the result have their resourceVersion. Raises 400, 409 and 422.
    """
    _check_version(kind, rules, old, wanted["metadata"])
    if subresource:
        path = rules.subresources[subresource]
        new = copy_json(old)
        write_path(new, path, read_path(wanted, path))
        return new
    new = _copy_without_nulls(wanted)
    new["metadata"] = carry_over(old["metadata"], new["metadata"])
    for path in rules.subresources.values():
        write_path(new, path, read_path(old, path))
    with _readable(kind):
        rules.default(new)
        _check(kind, rules, new, old)
    if any(read_path(new, path) != read_path(old, path) for path in rules.generations):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new


def _copy_without_nulls(wanted: JsonObject) -> JsonObject:
    """A deep copy in which null means absent, as a typed decoder reads it."""
    copied: JsonObject = _strip(wanted)
    return copied


def _strip(value: Any) -> Any:
    if type(value) is dict:
        return {key: _strip(item) for key, item in value.items() if item is not None}
    if type(value) is list:
        return [_strip(item) for item in value]
    return value


@contextmanager
def _readable(kind: Kind) -> Iterator[None]:
    """Answers 400 where a field has a JSON type that the kind's rules cannot read."""
    try:
        yield
    except (AttributeError, TypeError, KeyError, ValueError, IndexError) as error:
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            "a field has a value of a wrong type"
        ) from error


def _check_version(kind: Kind, rules: Rules, old: JsonObject, wanted: JsonObject) -> None:
    current = old["metadata"]
    name = current["name"]
    if wanted.get("uid", current["uid"]) != current["uid"]:
        raise conflict(kind.resource, kind.group, name, _precondition("UID", wanted, current))
    version = wanted.get("resourceVersion", "")
    if rules.needs_version and version in ("", "0"):
        detail = "must be specified for an update"
        raise invalid(kind.kind, kind.group, name, [invalid_value(_VERSION, 0, detail)])
    if version not in ("", "0", current["resourceVersion"]):
        raise conflict(kind.resource, kind.group, name)


def _precondition(label: str, wanted: JsonObject, current: JsonObject) -> str:
    key = "uid" if label == "UID" else "resourceVersion"
    return (
        f"Precondition failed: {label} in precondition: {wanted[key]}, "
        f"{label} in object meta: {current[key]}"
    )


def _check(kind: Kind, rules: Rules, new: JsonObject, old: JsonObject | None) -> None:
    metadata = new["metadata"]
    drop_unkept(metadata)
    if _NUL.search(orjson.dumps(new)):
        raise bad_request("strings must not contain the character NUL")
    # A name that was once accepted stays, whatever the rules say now.
    errors = validate_metadata(metadata, rules.check_name if old is None else _accept)
    if old is not None:
        errors += _added_finalizers(metadata, old["metadata"])
    errors += rules.validate(new, old)
    if errors:
        raise invalid(kind.kind, kind.group, metadata.get("name", ""), errors)


def _accept(name: str) -> list[str]:
    return []


def _added_finalizers(new: JsonObject, old: JsonObject) -> list[FieldError]:
    if not old.get("deletionTimestamp"):
        return []
    had = set(old.get("finalizers") or [])
    added = [name for name in new.get("finalizers") or [] if name not in had]
    if not added:
        return []
    listed = ", ".join(f'"{name}"' for name in added)
    detail = (
        "no new finalizers can be added if the object is being deleted, "
        f"found new finalizers []string{{{listed}}}"
    )
    return [forbidden_value("metadata.finalizers", detail)]


def decide_deleted(
    kind: Kind, rules: Rules, old: JsonObject, options: DeleteOptions, at: datetime
) -> JsonObject | None:
    """The object as it stays until nothing holds it any more; None when it can go at once.

    Raises 403 for an object that must not be deleted and 409 for a failed precondition.
    """
    metadata = old["metadata"]
    _check_preconditions(kind, metadata, options)
    reason = rules.keep_reason(old)
    if reason:
        raise forbidden(kind.resource, kind.group, metadata["name"], reason)
    new = copy_json(old)
    finalizers = deletion_finalizers(metadata, options.propagation)
    waiting = rules.is_waiting(new)
    if not finalizers and not waiting:
        return None
    if metadata.get("deletionTimestamp"):
        return new
    write_path(new["metadata"], "finalizers", finalizers or None)
    new["metadata"]["deletionTimestamp"] = format_time(at)
    if not waiting:
        new["metadata"]["deletionGracePeriodSeconds"] = 0
    rules.on_deletion(new)
    return new


def _check_preconditions(kind: Kind, metadata: JsonObject, options: DeleteOptions) -> None:
    wanted = {"uid": options.uid, "resourceVersion": options.resource_version}
    for label, key in (("UID", "uid"), ("ResourceVersion", "resourceVersion")):
        if wanted[key] and wanted[key] != metadata[key]:
            cause = _precondition(label, wanted, metadata)
            raise conflict(kind.resource, kind.group, metadata["name"], cause)


def needs_removal(rules: Rules, item: JsonObject) -> bool:
    """Whether a deleted object has lost its last reason to stay."""
    metadata = item["metadata"]
    return bool(
        metadata.get("deletionTimestamp")
        and not metadata.get("finalizers")
        and not rules.is_waiting(item)
    )
