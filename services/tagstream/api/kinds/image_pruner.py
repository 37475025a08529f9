"""ImagePruner `cluster`: when images that nobody uses are removed (the pruner reads it)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import AGE, NAME, age_of, cell, name_of, text
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.wire.field_errors import FieldError, invalid_value, unsupported_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell
from tagstream.errors import InvalidInput
from tagstream.pruning.image_pruner import GROUP, KIND, RESOURCE, VERSION
from tagstream.pruning.image_pruner import NAME as CLUSTER
from tagstream.pruning.rules import DEFAULT_SCHEDULE, check_age
from tagstream.pruning.schedule import parse_schedule

_LOG_LEVELS = ("", "Normal", "Debug", "Trace", "TraceAll")


def _check_name(name: str) -> list[str]:
    return [] if name == CLUSTER else [f"must be '{CLUSTER}': there is one pruner"]


def _default(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    if not spec.get("logLevel"):
        spec["logLevel"] = "Normal"


def _validate(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    spec = new.get("spec") or {}
    errors: list[FieldError] = []
    if spec.get("schedule"):
        schedule = spec["schedule"]
        errors += _refusal("spec.schedule", schedule, lambda: parse_schedule(schedule))
    duration = spec.get("keepYoungerThanDuration")
    if duration is not None:
        path = "spec.keepYoungerThanDuration"
        errors += _refusal(path, duration, lambda: check_age(path, duration))
    if (spec.get("keepYoungerThan") or 0) < 0:
        detail = "must be greater than or equal to 0"
        errors.append(invalid_value("spec.keepYoungerThan", spec["keepYoungerThan"], detail))
    if spec.get("logLevel") not in (None, *_LOG_LEVELS):
        errors.append(unsupported_value("spec.logLevel", spec["logLevel"], _LOG_LEVELS))
    return errors


def _refusal(path: str, value: object, check: Callable[[], object]) -> list[FieldError]:
    try:
        check()
    except InvalidInput as error:
        return [invalid_value(path, value, error.reason)]
    return []


def _cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    spec = item.get("spec") or {}
    schedule = cell(spec.get("schedule") or DEFAULT_SCHEDULE)
    return name_of(item), schedule, str(bool(spec.get("suspend"))), age_of(item, now)


IMAGE_PRUNERS = GenericKind(
    Kind(
        GROUP,
        VERSION,
        RESOURCE,
        KIND,
        KIND.lower(),
        namespaced=False,
        subresources=(status_of(KIND),),
        table=TableFormat((NAME, text("Schedule"), text("Suspend"), AGE), _cells),
        schema=f"com.github.openshift.api.imageregistry.v1.{KIND}",
    ),
    Rules(
        default=_default,
        validate=_validate,
        check_name=_check_name,
        generations=("spec",),
        subresources={"status": "status"},
        initial={"status": {}},
    ),
)
