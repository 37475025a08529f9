"""The conditions of the samples' Config: types, first values, transitions. Pure.

Owns spec/samples-and-templates.md §3. When each is true is `reconcile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tagstream.samples_manager.objects import JsonObject, mappings, text


class ConditionType(StrEnum):
    """All seven; each is there from the first look on."""

    SAMPLES_EXIST = "SamplesExist"
    IMPORT_CREDENTIALS_EXIST = "ImportCredentialsExist"
    CONFIGURATION_VALID = "ConfigurationValid"
    IMAGE_CHANGES_IN_PROGRESS = "ImageChangesInProgress"
    REMOVE_PENDING = "RemovePending"
    MIGRATION_IN_PROGRESS = "MigrationInProgress"
    IMPORT_IMAGE_ERRORS_EXIST = "ImportImageErrorsExist"


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


_TRUE_AT_FIRST = (ConditionType.IMPORT_CREDENTIALS_EXIST, ConditionType.CONFIGURATION_VALID)


@dataclass(frozen=True, slots=True)
class Condition:
    """`changed_at` is RFC 3339 and moves only when `status` does."""

    status: Truth
    changed_at: str
    reason: str = ""
    message: str = ""


Conditions = Mapping[ConditionType, Condition]


def parse_conditions(value: object, now: datetime) -> dict[ConditionType, Condition]:
    """Those that are written, and the first value of each that is not."""
    written = {one.get("type"): one for one in mappings(value)}
    return {kind: _parse(written.get(kind.value), kind, now) for kind in ConditionType}


def _parse(written: JsonObject | None, kind: ConditionType, now: datetime) -> Condition:
    if written is None or written.get("status") not in list(Truth):
        return Condition(Truth.TRUE if kind in _TRUE_AT_FIRST else Truth.FALSE, format_time(now))
    return Condition(
        Truth(written["status"]),
        text(written.get("lastTransitionTime")) or format_time(now),
        text(written.get("reason")),
        text(written.get("message")),
    )


def print_conditions(conditions: Conditions) -> list[JsonObject]:
    """As the Config's status holds them."""
    return [
        {
            "type": kind.value,
            "status": one.status.value,
            "lastUpdateTime": one.changed_at,
            "lastTransitionTime": one.changed_at,
            **({"reason": one.reason} if one.reason else {}),
            **({"message": one.message} if one.message else {}),
        }
        for kind, one in conditions.items()
    ]


def set_condition(
    conditions: Conditions,
    kind: ConditionType,
    status: Truth,
    now: datetime,
    reason: str = "",
    message: str = "",
) -> dict[ConditionType, Condition]:
    """The conditions with one of them changed; its time stays if its status does."""
    before = conditions[kind]
    changed_at = before.changed_at if before.status is status else format_time(now)
    return {**conditions, kind: Condition(status, changed_at, reason, message)}


def format_time(at: datetime) -> str:
    """UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(value: object) -> datetime | None:
    """An RFC 3339 time; None for anything else."""
    try:
        parsed = datetime.fromisoformat(text(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
