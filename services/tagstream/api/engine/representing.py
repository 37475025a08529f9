"""Objects and lists in the form the client asked for: whole, as a Table, or metadata only.

Owns which columns and rows a Table gets and what a list drops from its items. The encodings are
`wire/encode.py`, the envelopes `wire/table.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tagstream.api.engine.call import Answer, Call
from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.wire.encode import encode_body
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.negotiation import Representation, Shape
from tagstream.api.wire.table import (
    Cell,
    Column,
    IncludeObject,
    Row,
    build_partial_metadata,
    build_partial_metadata_list,
    build_table,
    parse_include_object,
)

_NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
_CREATED = Column("Created At", "date", description="When the object was created.")


def _name_and_time(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    metadata = item.get("metadata") or {}
    return (metadata.get("name", ""), metadata.get("creationTimestamp"))


DEFAULT_TABLE = TableFormat((_NAME, _CREATED), _name_and_time)


def shape_one(
    call: Call, item: JsonObject, shape: Representation, *, with_columns: bool = True
) -> JsonObject:
    """One object in the wanted shape. A Status is never reshaped."""
    if shape.shape is Shape.OBJECT or item.get("kind") == "Status":
        return item
    if shape.shape is Shape.TABLE:
        version = (item.get("metadata") or {}).get("resourceVersion")
        metadata = {"resourceVersion": version} if version else {}
        return _table(call, [item], metadata, shape.version, with_columns)
    return build_partial_metadata(item, shape.version)


def shape_list(
    call: Call, items: Sequence[JsonObject], metadata: JsonObject, shape: Representation
) -> JsonObject:
    """A list in the wanted shape; `metadata` is the list's own."""
    if shape.shape is Shape.TABLE:
        return _table(call, items, metadata, shape.version, True)
    if shape.shape is Shape.PARTIAL_METADATA_LIST:
        return build_partial_metadata_list(items, metadata, shape.version)
    kind = call.entry.kind
    return {
        "kind": kind.list_kind,
        "apiVersion": kind.api_version,
        "metadata": metadata,
        "items": [_without_type(item) for item in items],
    }


def _without_type(item: JsonObject) -> JsonObject:
    return {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}


def _table(
    call: Call,
    items: Sequence[JsonObject],
    metadata: JsonObject,
    version: str,
    with_columns: bool,
) -> JsonObject:
    table = table_of(call.entry.kind)
    now = call.ctx.now
    rows = [Row(table.cells(item, now), item) for item in items]
    include = include_object(call)
    columns = table.columns if with_columns else ()
    return build_table(columns, rows, include, list_metadata=metadata, version=version or "v1")


def table_of(kind: Kind) -> TableFormat:
    """The kind's columns, or name and time of creation."""
    return kind.table or DEFAULT_TABLE


def include_object(call: Call) -> IncludeObject:
    """What a Table's rows carry. Raises 400: check it before anything is changed."""
    return parse_include_object(call.query.get("includeObject"))


def answer_with(
    call: Call,
    body: JsonObject,
    shape: Representation,
    *,
    status: int = 200,
    warnings: tuple[str, ...] = (),
) -> Answer:
    """A body that already has its shape, encoded."""
    data = encode_body(body, shape.encoding, pretty=call.pretty)
    return Answer(status, shape.content_type, data, warnings)
