"""What a kind is: the declaration from which discovery, OpenAPI, routing and Tables follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell, Column

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """`<resource>/<name>`: its own kind (of its own group and version if given) and verbs."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The columns of a kind and how one object fills them; `now` makes ages."""

    columns: tuple[Column, ...]
    cells: Callable[[JsonObject, datetime], tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API. `resource` is the plural that stands in paths.

    `selectable_fields` are the field selectors besides metadata.name and metadata.namespace, each
    a dotted path into the object.
    """

    group: str
    version: str
    resource: str
    kind: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    table: TableFormat | None = None
    selectable_fields: tuple[str, ...] = ()
    schema: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"
