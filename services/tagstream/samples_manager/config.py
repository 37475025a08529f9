"""The samples' Config as values: what is wished, and what was last applied. Pure.

Owns reading and writing the object (spec/samples-and-templates.md §2); tolerates whatever a server
without our schema lets through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tagstream.samples_manager.conditions import (
    Conditions,
    ConditionType,
    Truth,
    parse_conditions,
    print_conditions,
    set_condition,
)
from tagstream.samples_manager.objects import JsonObject, mapping, metadata_of, text, texts

ARCHITECTURES = ("x86_64", "amd64", "arm64", "ppc64le", "s390x")
_BY_MACHINE = {"amd64": "x86_64", "aarch64": "arm64"}


class State(StrEnum):
    """What can be wished; `Force`, empty and unknown texts mean Managed."""

    MANAGED = "Managed"
    UNMANAGED = "Unmanaged"
    REMOVED = "Removed"


@dataclass(frozen=True, slots=True)
class Spec:
    """`unexpected` is the state's text when it is none of the known ones."""

    state: State = State.MANAGED
    unexpected: str = ""
    registry: str = ""
    architectures: tuple[str, ...] = ()
    skipped_streams: tuple[str, ...] = ()
    skipped_templates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LibrarySeen:
    """The library that was last installed in full; `samples` is how many it had."""

    name: str
    samples: int


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is empty before the first one was acted upon."""

    conditions: Conditions
    state: str = ""
    registry: str = ""
    architectures: tuple[str, ...] = ()
    skipped_streams: tuple[str, ...] = ()
    skipped_templates: tuple[str, ...] = ()
    version: str = ""
    library: LibrarySeen | None = None

    def of(self, kind: ConditionType) -> Truth:
        return self.conditions[kind].status

    def with_condition(
        self, kind: ConditionType, status: Truth, now: datetime, reason: str = "", message: str = ""
    ) -> Status:
        """The status with one condition changed."""
        changed = set_condition(self.conditions, kind, status, now, reason, message)
        return replace(self, conditions=changed)


@dataclass(frozen=True, slots=True)
class Config:
    """The object `cluster`."""

    spec: Spec
    status: Status
    finalizers: tuple[str, ...] = ()
    is_deleted: bool = False
    body: JsonObject = field(default_factory=dict, repr=False)


def parse_config(body: JsonObject, now: datetime) -> Config:
    """Never fails: a field of a wrong type counts as absent."""
    metadata = metadata_of(body)
    return Config(
        _parse_spec(mapping(body.get("spec"))),
        _parse_status(mapping(body.get("status")), now),
        texts(metadata.get("finalizers")),
        bool(metadata.get("deletionTimestamp")),
        body,
    )


def _parse_spec(spec: JsonObject) -> Spec:
    said = text(spec.get("managementState"))
    known = said in list(State)
    return Spec(
        State(said) if known else State.MANAGED,
        "" if known or said in ("", "Force") else said,
        text(spec.get("samplesRegistry")).strip(),
        texts(spec.get("architectures")),
        texts(spec.get("skippedImagestreams")),
        texts(spec.get("skippedTemplates")),
    )


def _parse_status(status: JsonObject, now: datetime) -> Status:
    library = mapping(status.get("library"))
    samples = library.get("samples")
    return Status(
        parse_conditions(status.get("conditions"), now),
        text(status.get("managementState")),
        text(status.get("samplesRegistry")),
        texts(status.get("architectures")),
        texts(status.get("skippedImagestreams")),
        texts(status.get("skippedTemplates")),
        text(status.get("version")),
        LibrarySeen(text(library.get("name")), samples) if isinstance(samples, int) else None,
    )


def print_status(status: Status) -> JsonObject:
    """As the object holds it; empty fields are left out."""
    fields: JsonObject = {
        "managementState": status.state,
        "samplesRegistry": status.registry,
        "architectures": list(status.architectures),
        "skippedImagestreams": list(status.skipped_streams),
        "skippedTemplates": list(status.skipped_templates),
        "version": status.version,
    }
    if status.library is not None:
        fields["library"] = {"name": status.library.name, "samples": status.library.samples}
    shown = {key: value for key, value in fields.items() if value}
    return {**shown, "conditions": print_conditions(status.conditions)}


def inventory_of(architectures: Sequence[str]) -> str:
    """The architecture whose samples are meant: the first, under its one name."""
    first = architectures[0] if architectures else "x86_64"
    return _BY_MACHINE.get(first, first)
