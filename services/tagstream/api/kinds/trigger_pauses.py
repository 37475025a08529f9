"""TriggerPause: while it exists, triggers rest, everywhere or in one namespace.

Its name says where: `all`, or `namespace.<name>`.
"""

from __future__ import annotations

from datetime import datetime

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import AGE, NAME, age_of, cell, name_of, text
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_dns_label
from tagstream.api.wire.table import Cell
from tagstream.events.facts import Fact, TriggersPaused, TriggersResumed

_EVERYWHERE = "all"
_PREFIX = "namespace."


def _check_name(name: str) -> list[str]:
    if name == _EVERYWHERE:
        return []
    if not name.startswith(_PREFIX):
        return [f"must be '{_EVERYWHERE}' to pause everywhere, or '{_PREFIX}<namespace>'"]
    return check_dns_label(name.removeprefix(_PREFIX))


def _scope(item: JsonObject) -> str:
    """The namespace that is paused, empty for all of them."""
    name = name_of(item)
    return "" if name == _EVERYWHERE else name.removeprefix(_PREFIX)


def _reason(item: JsonObject) -> str:
    return str((item.get("spec") or {}).get("reason") or "")


def _facts(old: JsonObject | None, new: JsonObject | None) -> list[Fact]:
    if old is None and new is not None:
        return [TriggersPaused(namespace=_scope(new), message=_reason(new))]
    if new is None and old is not None:
        return [TriggersResumed(namespace=_scope(old), message=_reason(old))]
    return []


def _cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    return name_of(item), _scope(item) or "<all>", cell(_reason(item)), age_of(item, now)


TRIGGER_PAUSES = GenericKind(
    Kind(
        "tagstream.dev",
        "v1alpha1",
        "triggerpauses",
        "TriggerPause",
        "triggerpause",
        namespaced=False,
        table=TableFormat((NAME, text("Namespace"), text("Reason"), AGE), _cells),
        schema="dev.tagstream.v1alpha1.TriggerPause",
    ),
    Rules(check_name=_check_name, generations=("spec",), facts=_facts),
)
