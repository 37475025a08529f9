"""Messages between Kubernetes JSON objects and protobuf bytes, driven by field tables.

Owns the compiled encoders and decoders. A table is compiled once, at its first use, into plain
tuples of names, tags and functions, which keeps the hot loop short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tagstream.api.wire import protobuf_values as values
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.protobuf_schemas.model import (
    LISTS,
    MAPS,
    NUMBER_LISTS,
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

_VARINTS: Final = frozenset({FieldType.BOOL, FieldType.INT32, FieldType.INT64}) | NUMBER_LISTS
_BITS: Final = {
    FieldType.INT32: 32,
    FieldType.INT64: 64,
    FieldType.INT32_LIST: 32,
    FieldType.INT64_LIST: 64,
}
#: What makes the empty value of a type; all that are not listed are texts.
_EMPTY: Final[dict[FieldType, Callable[[], Any]]] = {
    FieldType.BOOL: bool,
    FieldType.INT32: int,
    FieldType.INT64: int,
    FieldType.INT_OR_STRING: int,
    FieldType.QUANTITY: lambda: "0",
    FieldType.QUANTITY_MAP: lambda: "0",
    FieldType.STRING_LIST_MAP: list,
}
_SIMPLE: Final[dict[FieldType, tuple[_Pack, _Unpack]]] = {
    FieldType.STRING: (values.pack_string, values.unpack_string),
    FieldType.STRING_LIST: (values.pack_string, values.unpack_string),
    FieldType.TIME: (values.pack_time, values.unpack_time),
    FieldType.MICRO_TIME: (values.pack_micro_time, values.unpack_micro_time),
    FieldType.FIELDS_V1: (values.pack_fields_v1, values.unpack_fields_v1),
    FieldType.QUANTITY: (values.pack_quantity, values.unpack_quantity),
    FieldType.INT_OR_STRING: (values.pack_int_or_string, values.unpack_int_or_string),
    FieldType.STRING_MAP: (values.pack_string, values.unpack_string),
    FieldType.QUANTITY_MAP: (values.pack_quantity, values.unpack_quantity),
    FieldType.BYTES_MAP: (values.pack_base64, values.unpack_base64),
    FieldType.STRING_LIST_MAP: (values.pack_string_list, values.unpack_string_list),
}


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one field is read: `unpack` takes a payload (or a varint, for numbers)."""

    name: str
    delimited: bool
    unpack: Callable[[Any], Any]
    store: Callable[[JsonObject, str, Any], None]


@dataclass(frozen=True, slots=True)
class Codec:
    """A compiled message."""

    #: Name, encoder of a present value, bytes of an absent one; in wire order.
    writers: tuple[tuple[str, _Pack, bytes], ...]
    #: By tag, which is the field's number and its wire type.
    readers: dict[int, _Reader]
    #: Names that JSON shows although the wire had nothing, and what makes their value.
    shown: tuple[tuple[str, Callable[[], Any]], ...]

    def encode(self, value: JsonObject) -> bytes:
        """The message's bytes; keys that it does not have are left out."""
        parts = []
        for name, write, absent in self.writers:
            # Only an embedded message has no name: its fields are among those of this one.
            item = value.get(name) if name else value
            parts.append(absent if item is None else write(item))
        return b"".join(parts)

    def decode(self, data: bytes) -> JsonObject:
        """The message as Kubernetes JSON would show it: empty fields with omitempty are gone."""
        value: JsonObject = {}
        readers = self.readers
        at, end = 0, len(data)
        while at < end:
            tag, at = read_varint(data, at, end)
            reader = readers.get(tag)
            if reader is None:
                at = self._skip(data, tag, at)
            elif reader.delimited:
                start, at = read_length(data, at, end)
                reader.store(value, reader.name, reader.unpack(data[start:at]))
            else:
                number, at = read_varint(data, at, end)
                reader.store(value, reader.name, reader.unpack(number))
        for name, build in self.shown:
            if name not in value:
                value[name] = build()
        return value

    def _skip(self, data: bytes, tag: int, at: int) -> int:
        for wire_type in (VARINT, DELIMITED):
            known = self.readers.get(tag & ~7 | wire_type)
            if known is not None:
                raise WireError(f"wrong wireType = {tag & 7} for field {known.name}")
        if tag < 8:
            raise WireError("illegal tag 0")
        return skip_field(data, tag & 7, at, len(data))


def _store_item(value: JsonObject, name: str, item: Any) -> None:
    value.setdefault(name, []).append(item)


def _store_items(value: JsonObject, name: str, items: Any) -> None:
    value.setdefault(name, []).extend(items)


def _store_entry(value: JsonObject, name: str, entry: Any) -> None:
    value.setdefault(name, {})[entry[0]] = entry[1]


def _store_inline(value: JsonObject, name: str, below: Any) -> None:
    value.update(below)


def _store_present(value: JsonObject, name: str, item: Any) -> None:
    if item is not None:
        value[name] = item
    else:
        value.pop(name, None)


def _store_unless_empty(value: JsonObject, name: str, item: Any) -> None:
    if item:
        value[name] = item
    else:
        value.pop(name, None)


@cache
def compile_message(spec: MessageSpec) -> Codec:
    """The codec of a field table."""
    return Codec(
        writers=tuple(_compile_writer(field) for field in spec.fields),
        readers=dict(reader for field in spec.fields for reader in _compile_readers(field)),
        shown=tuple(shown for field in spec.fields for shown in _compile_shown(field)),
    )


def _below(field: FieldSpec) -> Codec:
    if field.message is None:
        raise TypeError(f"field {field.name} names no message")
    return compile_message(field.message)


def _compile_writer(field: FieldSpec) -> tuple[str, _Pack, bytes]:
    tag = _tag(field)
    if field.type in NUMBER_LISTS:
        return field.name, _numbers_writer(tag), b""
    if field.type in _VARINTS:
        absent = tag + b"\0" if field.always else b""
        return field.name, _number_writer(field.type, tag), absent
    pack = _payload_pack(field)
    if field.type in MAPS:
        return field.name, _map_writer(tag, pack, _empty_value(field)), b""
    if field.type in LISTS:
        return field.name, _list_writer(tag, pack, _empty_value(field)), b""
    return field.name, _single_writer(tag, pack), _absent(field, tag)


def _absent(field: FieldSpec, tag: bytes) -> bytes:
    if not field.always:
        return b""
    if field.type in (FieldType.TIME, FieldType.MICRO_TIME):
        return encode_delimited(tag, b"")
    return encode_delimited(tag, _payload_pack(field)(_empty_value(field)()))


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


def _numbers_writer(tag: bytes) -> _Pack:
    """Not packed: Kubernetes writes the tag before every number. Null is 0, as in Go."""
    return lambda items: b"".join(tag + encode_varint(item or 0) for item in items)


def _list_writer(tag: bytes, pack: _Pack, empty: Callable[[], Any]) -> _Pack:
    """Null is the empty item, as in Go."""
    return lambda items: b"".join(
        encode_delimited(tag, pack(empty() if item is None else item)) for item in items
    )


def _map_writer(tag: bytes, pack: _Pack, empty: Callable[[], Any]) -> _Pack:
    """Sorted by key, as Kubernetes writes maps. Null is the empty value, as in Go."""

    def write(items: dict[str, Any]) -> bytes:
        return b"".join(
            encode_delimited(
                tag, values.pack_entry(key, pack(empty() if items[key] is None else items[key]))
            )
            for key in sorted(items, key=str.encode)
        )

    return write


def _compile_readers(field: FieldSpec) -> Iterator[tuple[int, _Reader]]:
    """By tag. Lists of numbers have two: protobuf allows to write them packed."""
    wire_type, unpack = _wire_type(field), _unpack(field)
    delimited = wire_type == DELIMITED
    tag = field.number << 3
    yield tag | wire_type, _Reader(field.name, delimited, unpack, _store(field))
    if field.type in NUMBER_LISTS:
        packed = _Reader(field.name, True, values.unpack_numbers(unpack), _store_items)
        yield tag | DELIMITED, packed


def _store(field: FieldSpec) -> Callable[[JsonObject, str, Any], None]:
    if field.type in LISTS:
        return _store_item
    if field.type in MAPS:
        return _store_entry
    if field.type is FieldType.INLINE:
        return _store_inline
    return _store_unless_empty if field.always and not field.shown else _store_present


def _unpack(field: FieldSpec) -> Callable[[Any], Any]:
    if field.type is FieldType.BOOL:
        return bool
    if field.type in _VARINTS:
        bits = _BITS[field.type]
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


def _compile_shown(field: FieldSpec) -> tuple[tuple[str, Callable[[], Any]], ...]:
    if field.type is FieldType.INLINE:
        return _below(field).shown
    if field.type in LISTS and field.shown:
        return ((field.name, list),)
    return ((field.name, _empty_value(field)),) if field.shown else ()


def _empty_value(field: FieldSpec) -> Callable[[], Any]:
    """Makes what JSON has for an empty value; for a list or map, for an empty item of it."""
    if field.message:
        codec = _below(field)
        return lambda: codec.decode(b"")
    return _EMPTY.get(field.type, str)
