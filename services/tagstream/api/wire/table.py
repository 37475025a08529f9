"""Server-side Tables (meta.k8s.io) and the human durations and sizes in their cells.

Owns the envelope; the columns and cells of a kind belong to its resource.
Source: spec/image-api-and-import.md §8.7 and §8.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError, bad_request

Cell = str | int | bool | None

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY_H: Final = 24


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Priority 0 always shows, 1 only with `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    @property
    def definition(self) -> JsonObject:
        """The entry of `columnDefinitions`."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one object, in column order, and the whole object as JSON."""

    cells: tuple[Cell, ...]
    object: JsonObject


class IncludeObject(StrEnum):
    """What a row carries besides its cells: the query parameter `includeObject`."""

    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


def parse_include_object(value: str | None) -> IncludeObject:
    """The parameter's value; absent and empty mean Metadata. Raises 400 on any other word."""
    if not value:
        return IncludeObject.METADATA
    try:
        return IncludeObject(value)
    except ValueError:
        raise _unknown_include(value) from None


def _unknown_include(value: str) -> ApiError:
    return bad_request(f'unrecognized includeObject value: "{value}"')


def build_table(
    columns: Sequence[Column],
    rows: Iterable[Row],
    include_object: IncludeObject = IncludeObject.METADATA,
    *,
    list_metadata: JsonObject | None = None,
    version: str = "v1",
) -> JsonObject:
    """A Table of meta.k8s.io/`version`; `list_metadata` holds resourceVersion and continue.

    In a watch, pass no columns after the first event, as Kubernetes does.
    """
    wrap = _WRAPPERS[include_object]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_metadata or {},
        "columnDefinitions": [column.definition for column in columns],
        "rows": [{"cells": list(row.cells), "object": wrap(row.object, version)} for row in rows],
    }


def build_partial_metadata(item: JsonObject, version: str = "v1") -> JsonObject:
    """The object reduced to its metadata (`as=PartialObjectMetadata`)."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": item.get("metadata") or {},
    }


def build_partial_metadata_list(
    items: Iterable[JsonObject], list_metadata: JsonObject, version: str = "v1"
) -> JsonObject:
    """A list reduced to its items' metadata (`as=PartialObjectMetadataList`)."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_metadata,
        "items": [build_partial_metadata(item, version) for item in items],
    }


def _no_object(item: JsonObject, version: str) -> JsonObject | None:
    return None


def _whole_object(item: JsonObject, version: str) -> JsonObject:
    return item


_WRAPPERS: Final[dict[IncludeObject, Callable[[JsonObject, str], JsonObject | None]]] = {
    IncludeObject.NONE: _no_object,
    IncludeObject.METADATA: build_partial_metadata,
    IncludeObject.OBJECT: _whole_object,
}


def human_ago(age: timedelta) -> str:
    """An age as OpenShift's columns print it: `3 minutes ago` (spec §8.8)."""
    return f"{human_duration(age)} ago"


def human_duration(age: timedelta) -> str:
    """A duration in words; a negative one reads as less than a second."""
    seconds = int(age.total_seconds())
    minutes = seconds // _MINUTE
    if seconds < _HOUR:
        return _below_an_hour(seconds, minutes)
    hours = int(age.total_seconds() / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, unit_h, word in _LONG_UNITS:
        if hours < limit:
            return f"{hours // unit_h} {word}"
    return f"{int(hours / _DAY_H / 365)} years"


_LONG_UNITS: Final = (
    (48, 1, "hours"),
    (_DAY_H * 7 * 2, _DAY_H, "days"),
    (_DAY_H * 30 * 2, _DAY_H * 7, "weeks"),
    (_DAY_H * 365 * 2, _DAY_H * 30, "months"),
)


def _below_an_hour(seconds: int, minutes: int) -> str:
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < _MINUTE:
        return f"{seconds} seconds"
    return "About a minute" if minutes == 1 else f"{minutes} minutes"


def short_age(age: timedelta) -> str:
    """An age as Kubernetes' AGE columns print it: `45s`, `3m5s`, `5h`, `2d3h`, `400d`."""
    seconds = int(age.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * _MINUTE:
        return f"{max(seconds, 0)}s"
    if seconds < 3 * _HOUR:
        minutes = seconds // _MINUTE
        return _two_units(minutes, "m", seconds % _MINUTE if minutes < 10 else 0, "s")
    return _age_in_hours(seconds // _HOUR, seconds // _MINUTE % 60)


def _age_in_hours(hours: int, minutes: int) -> str:
    days, years = hours // _DAY_H, hours // _DAY_H // 365
    if hours < 48:
        return _two_units(hours, "h", minutes if hours < 8 else 0, "m")
    if hours < _DAY_H * 8:
        return _two_units(days, "d", hours % _DAY_H, "h")
    if days < 365 * 2:
        return f"{days}d"
    return _two_units(years, "y", days % 365 if years < 8 else 0, "d")


def _two_units(major: int, major_unit: str, minor: int, minor_unit: str) -> str:
    return f"{major}{major_unit}{minor}{minor_unit}" if minor else f"{major}{major_unit}"


def human_size(size_bytes: int) -> str:
    """A size in decimal units with 4 significant digits: `796kB`, `32.19MB` (spec §8.8)."""
    size, unit = float(size_bytes), 0
    units = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
    while size >= 1000 and unit < len(units) - 1:
        size /= 1000
        unit += 1
    return f"{size:.4g}{units[unit]}"
