"""JSON Schema (2020-12) of the contract's messages in their proto3 JSON form.

No field is required, because proto3 JSON leaves default values out, and unknown fields are allowed,
because a version gains fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from generator.descriptors import TIMESTAMP, Field, Message

JsonObject = dict[str, object]


def message_document(message: Message, messages: Mapping[str, Message]) -> JsonObject:
    """A schema document that stands alone: the parts that the message uses are in `$defs`."""
    document: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tagstream:v1:{message.name}",
        **message_schema(message, "#/$defs/"),
    }
    parts = sorted(set(_parts(message, messages)))
    if parts:
        document["$defs"] = {name: message_schema(messages[name], "#/$defs/") for name in parts}
    return document


def message_schema(message: Message, reference_prefix: str) -> JsonObject:
    """The schema of one message; other messages are referred to under the prefix."""
    return {
        "title": message.name,
        "description": message.description,
        "type": "object",
        "properties": {
            field.json_name: _field_schema(field, reference_prefix) for field in message.fields
        },
    }


def _field_schema(field: Field, reference_prefix: str) -> JsonObject:
    value = _value_schema(field.kind, reference_prefix)
    if field.repeated:
        value = {"type": "array", "items": value}
    return {"description": field.description, **value}


def _value_schema(kind: str, reference_prefix: str) -> JsonObject:
    match kind:
        case "string":
            return {"type": "string"}
        case "bool":
            return {"type": "boolean"}
        case "int32":
            return {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
        case _ if kind == TIMESTAMP:
            return {"type": "string", "format": "date-time"}
        case _:
            return {"$ref": f"{reference_prefix}{kind}"}


def _parts(message: Message, messages: Mapping[str, Message]) -> Iterator[str]:
    for field in message.fields:
        if field.kind in messages:
            yield field.kind
            yield from _parts(messages[field.kind], messages)
