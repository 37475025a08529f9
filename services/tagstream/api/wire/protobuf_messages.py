"""Messages between Kubernetes JSON objects and protobuf bytes, driven by field tables.

Owns the compiled encoders and decoders. A table is compiled once, at its first use, into plain
tuples of names, tags and functions, which keeps the hot loop short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tagstream.api.wire import protobuf_values as values
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.protobuf_schemas.model import (
    LISTS,
    MAPS,
    FieldSpec,
    FieldType,
    MessageSpec,
)
from tagstream.api.wire.protobuf_wire import (
    DELIMITED,
    VARINT,
    WireError,
    encode_delimited,
    encode_varint,
    read_length,
    read_varint,
    skip_field,
    to_signed,
)

_Pack = Callable[[Any], bytes]
_Unpack = Callable[[bytes], Any]

_VARINTS: Final = frozenset({FieldType.BOOL, FieldType.INT32, FieldType.INT64})
_SIMPLE: Final[dict[FieldType, tuple[_Pack, _Unpack]]] = {
    FieldType.STRING: (values.pack_string, values.unpack_string),
    FieldType.STRING_LIST: (values.pack_string, values.unpack_string),
    FieldType.TIME: (values.pack_time, values.unpack_time),
    FieldType.MICRO_TIME: (values.pack_micro_time, values.unpack_micro_time),
    FieldType.FIELDS_V1: (values.pack_fields_v1, values.unpack_fields_v1),
    FieldType.STRING_MAP: (lambda item: values.pack_string(item or ""), values.unpack_string),
    FieldType.BYTES_MAP: (values.pack_base64, values.unpack_base64),
    FieldType.STRING_LIST_MAP: (values.pack_string_list, values.unpack_string_list),
}


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one field is read: `unpack` takes a payload (or a varint, for numbers)."""

    name: str
    wire_type: int
    unpack: Callable[[Any], Any]
    is_list: bool
    is_map: bool
    drop_empty: bool


@dataclass(frozen=True, slots=True)
class Codec:
    """A compiled message."""

    #: Name, encoder of a present value, bytes of an absent one; in wire order.
    writers: tuple[tuple[str, _Pack, bytes], ...]
    readers: dict[int, _Reader]
    #: Names that JSON shows although the wire had nothing, and what makes their value.
    shown: tuple[tuple[str, Callable[[], Any]], ...]

    def encode(self, value: JsonObject) -> bytes:
        """The message's bytes; keys that it does not have are left out."""
        parts = []
        for name, write, absent in self.writers:
            item = value.get(name)
            parts.append(absent if item is None else write(item))
        return b"".join(parts)

    def decode(self, data: bytes) -> JsonObject:
        """The message as Kubernetes JSON would show it: empty fields with omitempty are gone."""
        value: JsonObject = {}
        readers = self.readers
        at, end = 0, len(data)
        while at < end:
            tag, at = read_varint(data, at, end)
            reader = readers.get(tag >> 3)
            if reader is None or reader.wire_type != tag & 7:
                at = _skip(data, tag, at, reader)
            elif reader.wire_type == DELIMITED:
                start, at = read_length(data, at, end)
                _store(value, reader, reader.unpack(data[start:at]))
            else:
                number, at = read_varint(data, at, end)
                _store(value, reader, reader.unpack(number))
        for name, build in self.shown:
            if name not in value:
                value[name] = build()
        return value


def _skip(data: bytes, tag: int, at: int, reader: _Reader | None) -> int:
    if reader is not None:
        raise WireError(f"wrong wireType = {tag & 7} for field {reader.name}")
    if tag < 8:
        raise WireError("illegal tag 0")
    return skip_field(data, tag & 7, at, len(data))


def _store(value: JsonObject, reader: _Reader, item: Any) -> None:
    name = reader.name
    if reader.is_list:
        value.setdefault(name, []).append(item)
    elif reader.is_map:
        value.setdefault(name, {})[item[0]] = item[1]
    elif item is not None and (item or not reader.drop_empty):
        value[name] = item
    else:
        value.pop(name, None)


@cache
def compile_message(spec: MessageSpec) -> Codec:
    """The codec of a field table."""
    return Codec(
        writers=tuple(_compile_writer(field) for field in spec.fields),
        readers={field.number: _compile_reader(field) for field in spec.fields},
        shown=tuple((field.name, _empty_value(field)) for field in spec.fields if field.shown),
    )


def _below(field: FieldSpec) -> Codec:
    if field.message is None:
        raise TypeError(f"field {field.name} names no message")
    return compile_message(field.message)


def _compile_writer(field: FieldSpec) -> tuple[str, _Pack, bytes]:
    tag = _tag(field)
    if field.type in _VARINTS:
        absent = tag + b"\0" if field.always else b""
        return field.name, _number_writer(field.type, tag), absent
    pack = _payload_pack(field)
    if field.type in MAPS:
        return field.name, _map_writer(tag, pack), b""
    if field.type in LISTS:
        return field.name, _list_writer(tag, pack), b""
    return field.name, _single_writer(tag, pack), _absent(field, tag)


def _absent(field: FieldSpec, tag: bytes) -> bytes:
    if not field.always:
        return b""
    return encode_delimited(tag, _below(field).encode({}) if field.message else b"")


def _payload_pack(field: FieldSpec) -> _Pack:
    return _below(field).encode if field.message else _SIMPLE[field.type][0]


def _tag(field: FieldSpec) -> bytes:
    return encode_varint(field.number << 3 | _wire_type(field))


def _wire_type(field: FieldSpec) -> int:
    return VARINT if field.type in _VARINTS else DELIMITED


def _number_writer(field_type: FieldType, tag: bytes) -> _Pack:
    if field_type is FieldType.BOOL:
        return lambda item: tag + values.pack_bool(item)
    return lambda item: tag + encode_varint(item)


def _single_writer(tag: bytes, pack: _Pack) -> _Pack:
    def write(item: Any) -> bytes:
        payload = pack(item)
        return tag + encode_varint(len(payload)) + payload

    return write


def _list_writer(tag: bytes, pack: _Pack) -> _Pack:
    return lambda items: b"".join(encode_delimited(tag, pack(item)) for item in items)


def _map_writer(tag: bytes, pack: _Pack) -> _Pack:
    """Sorted by key, as Kubernetes writes maps."""

    def write(items: dict[str, Any]) -> bytes:
        return b"".join(
            encode_delimited(tag, values.pack_entry(key, pack(items[key])))
            for key in sorted(items, key=str.encode)
        )

    return write


def _compile_reader(field: FieldSpec) -> _Reader:
    return _Reader(
        name=field.name,
        wire_type=_wire_type(field),
        unpack=_unpack(field),
        is_list=field.type in LISTS,
        is_map=field.type in MAPS,
        drop_empty=field.always and not field.shown,
    )


def _unpack(field: FieldSpec) -> Callable[[Any], Any]:
    if field.type is FieldType.BOOL:
        return bool
    if field.type in _VARINTS:
        bits = 32 if field.type is FieldType.INT32 else 64
        return lambda number: to_signed(number, bits)
    if field.message:
        return _below(field).decode
    unpack = _SIMPLE[field.type][1]
    if field.type not in MAPS:
        return unpack

    def unpack_pair(data: bytes) -> tuple[str, Any]:
        key, payload = values.unpack_entry(data)
        return key, unpack(payload)

    return unpack_pair


def _empty_value(field: FieldSpec) -> Callable[[], Any]:
    """Makes what JSON shows for an absent field."""
    if field.type is FieldType.STRING:
        return str
    if field.type is FieldType.BOOL:
        return bool
    if field.type in LISTS:
        return list
    codec = _below(field)
    return lambda: codec.decode(b"")
