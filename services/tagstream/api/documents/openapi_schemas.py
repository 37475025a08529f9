"""Definitions as OpenAPI schemas, of version 2 or 3.

Owns the mapping of types. Which schemas a document needs is `openapi.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tagstream.api.schemas.definitions import (
    LIST,
    MAP,
    META,
    SCALARS,
    Definition,
    Field,
    GroupKind,
    strip_containers,
)
from tagstream.api.wire.json_types import JsonObject

#: Where references point to.
V2_PREFIX: Final = "#/definitions/"
V3_PREFIX: Final = "#/components/schemas/"

_SCALARS: Final[dict[str, JsonObject]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "object": {"type": "object"},
    "Time": {"type": "string", "format": "date-time"},
    "MicroTime": {"type": "string", "format": "date-time"},
    "IntOrString": {"type": "string", "format": "int-or-string"},
    # Numbers are understood too; clients that check read this format as both.
    "Quantity": {"type": "string", "format": "int-or-string"},
}

# What is said about these fields of every kind that says nothing itself.
_COMMON: Final = {
    "apiVersion": "The group and version of the object's type.",
    "kind": "The name of the object's type.",
    "metadata": "Name, namespace, labels and the like.",
}


def build_schema(definition: Definition, prefix: str) -> JsonObject:
    """The schema of one definition."""
    schema: JsonObject = {"type": "object"}
    if definition.description:
        schema["description"] = definition.description
    required = [name for name, field in definition.fields.items() if field.required]
    if required:
        schema["required"] = required
    schema["properties"] = {
        name: _build_field(field, prefix) for name, field in definition.fields.items()
    }
    if definition.kind is not None:
        _describe_common(schema["properties"], prefix)
        schema["x-kubernetes-group-version-kind"] = [describe_kind(definition.kind)]
    return schema


def build_list_schema(item: str, kind: GroupKind, prefix: str) -> JsonObject:
    """The schema of a kind's list; `item` is the name of the kind's definition."""
    group, version, name = kind
    return {
        "type": "object",
        "description": f"{name}List is a list of {name} objects.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "items": {"type": "array", "items": {"$ref": prefix + item}},
            "kind": {"type": "string"},
            "metadata": {"$ref": f"{prefix}{META}.ListMeta"},
        },
        "x-kubernetes-group-version-kind": [describe_kind((group, version, f"{name}List"))],
    }


def build_unknown_schema(kind: GroupKind) -> JsonObject:
    """The schema of a kind of which no fields are known."""
    return {"type": "object", "x-kubernetes-group-version-kind": [describe_kind(kind)]}


def describe_kind(kind: GroupKind) -> JsonObject:
    """The extension that names a kind."""
    group, version, name = kind
    return {"group": group, "kind": name, "version": version}


def used_definitions(definition: Definition) -> Iterator[str]:
    """The names of the definitions that this one refers to."""
    for field in definition.fields.values():
        inner = strip_containers(field.type)
        if inner not in SCALARS:
            yield inner


def _describe_common(properties: JsonObject, prefix: str) -> None:
    for name, description in _COMMON.items():
        found = properties.get(name)
        if found is not None and "description" not in found:
            properties[name] = _with_description(found, description, prefix)


def _with_description(schema: JsonObject, description: str, prefix: str) -> JsonObject:
    if "$ref" in schema and prefix == V3_PREFIX:
        # In version 3 nothing may stand beside a reference.
        schema = {"allOf": [schema]}
    return {**schema, "description": description}


def _build_field(field: Field, prefix: str) -> JsonObject:
    schema = _build_type(field.type, prefix)
    if field.description:
        schema = _with_description(schema, field.description, prefix)
    if field.merge_key is not None:
        schema["x-kubernetes-patch-strategy"] = "merge"
        if field.merge_key:
            schema["x-kubernetes-patch-merge-key"] = field.merge_key
    elif field.strategy:
        schema["x-kubernetes-patch-strategy"] = field.strategy
    return schema


def _build_type(text: str, prefix: str) -> JsonObject:
    if text.startswith(LIST):
        return {"type": "array", "items": _build_type(text.removeprefix(LIST), prefix)}
    if text.startswith(MAP):
        inner = _build_type(text.removeprefix(MAP), prefix)
        return {"type": "object", "additionalProperties": inner}
    scalar = _SCALARS.get(text)
    return dict(scalar) if scalar is not None else {"$ref": prefix + text}
