"""OpenAPI version 2 as protobuf: the message `openapi.v2.Document` of gnostic.

Owns the numbers of the fields that our documents use. Clients from before Kubernetes 1.27 read
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.protobuf_wire import DELIMITED, VARINT, encode_delimited, encode_varint

_Writer = Callable[[int, Any], bytes]
_Fields = Mapping[str, tuple[int, _Writer]]


def encode_document(document: JsonObject) -> bytes:
    """The whole document as one message."""
    return _encode(document, _DOCUMENT)


def _encode(value: JsonObject, fields: _Fields, extensions: int = 0) -> bytes:
    """A message; `extensions` is the number of its field for `x-…` keys."""
    parts = []
    for key, item in value.items():
        found = fields.get(key)
        if found is not None:
            number, write = found
            parts.append(write(number, item))
        elif extensions and key.startswith("x-"):
            parts.append(_extension(extensions, key, item))
    return b"".join(parts)


def _delimited(number: int, payload: bytes) -> bytes:
    return encode_delimited(encode_varint(number << 3 | DELIMITED), payload)


def _text(number: int, value: str) -> bytes:
    return _delimited(number, value.encode())


def _flag(number: int, value: bool) -> bytes:
    return encode_varint(number << 3 | VARINT) + encode_varint(int(value)) if value else b""


def _texts(number: int, values: list[str]) -> bytes:
    return b"".join(_text(number, value) for value in values)


def _extension(number: int, name: str, value: object) -> bytes:
    """NamedAny{name, Any{yaml}}: JSON is YAML."""
    any_value = _delimited(2, orjson.dumps(value) + b"\n")
    return _delimited(number, _text(1, name) + _delimited(2, any_value))


def _named(write: Callable[[JsonObject], bytes], inner: int = 1) -> _Writer:
    """A map as a message of named entries."""

    def encode(number: int, entries: Mapping[str, JsonObject]) -> bytes:
        encoded = (
            _delimited(inner, _text(1, name) + _delimited(2, write(entry)))
            for name, entry in entries.items()
        )
        return _delimited(number, b"".join(encoded))

    return encode


def _encode_schema(schema: JsonObject) -> bytes:
    return _encode(schema, _SCHEMA, 31)


def _schema(number: int, value: JsonObject) -> bytes:
    return _delimited(number, _encode_schema(value))


def _wrapped_schema(number: int, value: JsonObject) -> bytes:
    """AdditionalPropertiesItem, ItemsItem and SchemaItem all hold the schema in their field 1."""
    return _delimited(number, _schema(1, value))


def _schemas(number: int, values: list[JsonObject]) -> bytes:
    return b"".join(_schema(number, value) for value in values)


def _type(number: int, value: str) -> bytes:
    return _delimited(number, _text(1, value))


def _encode_parameter(parameter: JsonObject) -> bytes:
    """ParametersItem{Parameter{BodyParameter or NonBodyParameter{query or path}}}."""
    if parameter["in"] == "body":
        inner = _delimited(1, _encode(parameter, _BODY_PARAMETER))
    elif parameter["in"] == "query":
        inner = _delimited(2, _delimited(3, _encode(parameter, _QUERY_PARAMETER)))
    else:
        inner = _delimited(2, _delimited(4, _encode(parameter, _PATH_PARAMETER)))
    return _delimited(1, inner)


def _parameters(number: int, values: list[JsonObject]) -> bytes:
    return b"".join(_delimited(number, _encode_parameter(value)) for value in values)


def _encode_response(response: JsonObject) -> bytes:
    return _delimited(1, _encode(response, _RESPONSE))


def _operation(number: int, value: JsonObject) -> bytes:
    return _delimited(number, _encode(value, _OPERATION, 13))


_SCHEMA: Final[_Fields] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "description": (4, _text),
    "required": (19, _texts),
    "additionalProperties": (21, _wrapped_schema),
    "type": (22, _type),
    "items": (23, _wrapped_schema),
    "allOf": (24, _schemas),
    "properties": (25, _named(_encode_schema)),
}
_BODY_PARAMETER: Final[_Fields] = {
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _flag),
    "schema": (5, _schema),
}
_QUERY_PARAMETER: Final[_Fields] = {"in": (2, _text), "name": (4, _text), "type": (6, _text)}
_PATH_PARAMETER: Final[_Fields] = {
    "required": (1, _flag),
    "in": (2, _text),
    "name": (4, _text),
    "type": (5, _text),
}
_RESPONSE: Final[_Fields] = {"description": (1, _text), "schema": (2, _wrapped_schema)}
_OPERATION: Final[_Fields] = {
    "operationId": (5, _text),
    "consumes": (7, _texts),
    "parameters": (8, _parameters),
    "responses": (9, _named(_encode_response)),
}
_PATH_ITEM: Final[_Fields] = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "patch": (8, _operation),
    "parameters": (9, _parameters),
}
_INFO: Final[_Fields] = {"title": (1, _text), "version": (2, _text)}
_DOCUMENT: Final[_Fields] = {
    "swagger": (1, _text),
    "info": (2, lambda number, value: _delimited(number, _encode(value, _INFO))),
    "paths": (8, _named(lambda item: _encode(item, _PATH_ITEM), 2)),
    "definitions": (9, _named(_encode_schema)),
}
