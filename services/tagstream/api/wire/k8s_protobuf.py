"""Kubernetes' protobuf envelope: the magic, the type, and the frames of a watch.

Owns `runtime.Unknown` and watch framing. Tables are in `protobuf_schemas`, the codec in
`protobuf_messages.py`. Anything may come in: every refusal is a 400.
"""

from __future__ import annotations

import struct
from typing import Final

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.protobuf_messages import compile_message
from tagstream.api.wire.protobuf_schemas.model import message, string
from tagstream.api.wire.protobuf_schemas.registry import get_message
from tagstream.api.wire.protobuf_wire import (
    DELIMITED,
    WireError,
    encode_delimited,
    read_length,
    read_varint,
    skip_field,
)
from tagstream.api.wire.status import ApiError, bad_request, internal

MAGIC: Final = b"k8s\0"
_TYPE_META: Final = message("TypeMeta", string(1, "apiVersion"), string(2, "kind"))
_TYPE_META_TAG: Final = b"\x0a"
_RAW_TAG: Final = b"\x12"
_NO_ENCODING_NO_TYPE: Final = b"\x1a\x00\x22\x00"
_CONTENT_TYPES: Final = (b"", b"application/vnd.kubernetes.protobuf")


def supports(api_version: str, kind: str) -> bool:
    """Whether objects of this kind can be written and read as protobuf."""
    return get_message(api_version, kind) is not None


def encode_protobuf(obj: JsonObject) -> bytes:
    """An object with its apiVersion and kind; raises a 500 where it does not fit its table."""
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    spec = get_message(api_version, kind)
    if spec is None:
        raise internal(f"{kind} in version {api_version} has no protobuf encoding")
    try:
        raw = compile_message(spec).encode(obj)
    except (WireError, TypeError, AttributeError, ValueError) as error:
        raise internal(f"{kind} cannot be encoded as protobuf: {error}") from error
    head = encode_delimited(_TYPE_META_TAG, compile_message(_TYPE_META).encode(obj))
    return MAGIC + head + encode_delimited(_RAW_TAG, raw) + _NO_ENCODING_NO_TYPE


def read_type(
    data: bytes, default_api_version: str = "", default_kind: str = ""
) -> tuple[str, str]:
    """apiVersion and kind of a body, whose object is left unread; the defaults stand in for what
    the sender left out. Raises 400.
    """
    return _open_body(data, default_api_version, default_kind)[:2]


def decode_protobuf(
    data: bytes, default_api_version: str = "", default_kind: str = ""
) -> JsonObject:
    """The object in a body; the defaults are those of `read_type`.

    Raises 400 for anything that is not a known kind in valid protobuf.
    """
    api_version, kind, raw = _open_body(data, default_api_version, default_kind)
    spec = get_message(api_version, kind)
    if spec is None:
        raise bad_request(f'no kind "{kind}" is registered for version "{api_version}"')
    try:
        body = compile_message(spec).decode(raw)
    except (ValueError, RecursionError) as error:
        raise _undecodable(error) from error
    return {"kind": kind, "apiVersion": api_version, **body}


def _open_body(data: bytes, default_api_version: str, default_kind: str) -> tuple[str, str, bytes]:
    if not data.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message")
    try:
        type_meta, raw = _open_envelope(data)
    except ValueError as error:
        raise _undecodable(error) from error
    api_version = type_meta.get("apiVersion") or default_api_version
    return api_version, type_meta.get("kind") or default_kind, raw


def _undecodable(error: Exception) -> ApiError:
    return bad_request(f"the protobuf body could not be decoded: {error}")


def _open_envelope(data: bytes) -> tuple[JsonObject, bytes]:
    """The type and the object's bytes in a runtime.Unknown after the magic."""
    fields: dict[int, bytes] = {}
    at, end = len(MAGIC), len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        if tag & 7 != DELIMITED:
            at = skip_field(data, tag & 7, at, end)
            continue
        start, at = read_length(data, at, end)
        fields[tag >> 3] = data[start:at]
    if fields.get(3):
        raise WireError("compressed objects are not accepted")
    if fields.get(4, b"") not in _CONTENT_TYPES:
        raise WireError("the object inside is not protobuf")
    return compile_message(_TYPE_META).decode(fields.get(1, b"")), fields.get(2, b"")


def frame_watch_event(event_type: str, encoded: bytes) -> bytes:
    """One frame of a protobuf watch: four bytes of length, then the event around `encoded`.

    `encoded` is the object as `encode_protobuf` wrote it.
    """
    event = encode_delimited(b"\x0a", event_type.encode())
    event += encode_delimited(b"\x12", encode_delimited(b"\x0a", encoded))
    return struct.pack(">I", len(event)) + event
