"""Events: one store, shown as `v1` and as `events.k8s.io/v1`."""

from __future__ import annotations

from datetime import datetime

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules, StoredForm
from tagstream.api.kinds.cells import age_since, cell, name_of, text
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell

# The names in events.k8s.io/v1 and in v1 of what both have.
_RENAMED = (
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
)
_TO_CORE = dict(_RENAMED)
_FROM_CORE = {core: new for new, core in _RENAMED}
_CLUSTER_NAMESPACES = ("", "default", "kube-system")


def _to_core(item: JsonObject) -> JsonObject:
    renamed = {_TO_CORE.get(name, name): value for name, value in item.items()}
    return {**renamed, "apiVersion": "v1", "kind": "Event"}


def _from_core(item: JsonObject) -> JsonObject:
    renamed = {_FROM_CORE.get(name, name): value for name, value in item.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1", "kind": "Event"}


def _default_core(item: JsonObject) -> None:
    item.setdefault("involvedObject", {})
    item.setdefault("source", {})
    item.setdefault("reportingComponent", "")
    item.setdefault("reportingInstance", "")


def _validate_core(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    about, namespace = new["involvedObject"].get("namespace", ""), new["metadata"]["namespace"]
    if about == namespace or (not about and namespace in _CLUSTER_NAMESPACES):
        return []
    detail = "does not match event.namespace"
    return [invalid_value("involvedObject.namespace", about, detail)]


def _validate_new(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    if old is not None:
        return []
    names = ("reportingController", "reportingInstance", "action", "reason")
    return [required_value(name) for name in names if not new.get(name)]


def _cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    core = item if "involvedObject" in item else _to_core(item)
    about, series = core.get("involvedObject") or {}, core.get("series") or {}
    first = core.get("firstTimestamp") or core.get("eventTime")
    last = series.get("lastObservedTime") or core.get("lastTimestamp") or first
    source = core.get("source") or {}
    by = [source.get("component") or core.get("reportingComponent"), source.get("host")]
    return (
        age_since(last, now),
        cell(core.get("type")),
        cell(core.get("reason")),
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        cell(about.get("fieldPath") or ""),
        ", ".join(part for part in by if part),
        str(core.get("message") or "").strip(),
        age_since(first, now),
        series.get("count") or core.get("count") or 1,
        name_of(core),
    )


_TABLE = TableFormat(
    (
        text("Last Seen"),
        text("Type"),
        text("Reason"),
        text("Object"),
        text("Subobject", wide=True),
        text("Source", wide=True),
        text("Message"),
        text("First Seen", wide=True),
        text("Count", wide=True),
        text("Name", wide=True),
    ),
    _cells,
)
_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

CORE_EVENTS = GenericKind(
    Kind(
        "",
        "v1",
        "events",
        "Event",
        "event",
        namespaced=True,
        short_names=("ev",),
        table=_TABLE,
        selectable_fields=(
            *(f"involvedObject.{name}" for name in _ABOUT),
            "reason",
            "reportingComponent",
            "type",
        ),
        schema="io.k8s.api.core.v1.Event",
    ),
    Rules(default=_default_core, validate=_validate_core),
)
NEW_EVENTS = GenericKind(
    Kind(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        "event",
        namespaced=True,
        short_names=("ev",),
        table=_TABLE,
        selectable_fields=(
            *(f"regarding.{name}" for name in _ABOUT),
            "reason",
            "reportingController",
            "type",
        ),
        schema="io.k8s.api.events.v1.Event",
    ),
    Rules(validate=_validate_new, stored_form=StoredForm("", "events", _to_core, _from_core)),
)
