"""Single values between Kubernetes JSON and protobuf payloads.

Owns strings, base64 data, times, quantities, IntOrString, FieldsV1 and map entries; each pair
`pack_`/`unpack_` is the inverse of the other. Messages are walked in `protobuf_messages.py`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from tagstream.api.wire.json_types import exceeds_depth
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

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO_TIME_S: Final = -62135596800
_TIME_MAX_BYTES: Final = 64
_FIRST: Final = b"\x0a"
_SECOND: Final = b"\x12"


def pack_string(value: str) -> bytes:
    """UTF-8."""
    return value.encode()


def unpack_string(data: bytes) -> str:
    """UTF-8; anything else is refused."""
    return data.decode()


def pack_base64(value: str | None) -> bytes:
    """The bytes that a JSON string stands for; line breaks are allowed, as in Go."""
    text = (value or "").replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("illegal base64 data") from error


def unpack_base64(data: bytes) -> str:
    """Bytes as JSON writes them."""
    return base64.b64encode(data).decode("ascii")


def pack_fields_v1(value: dict[str, Any]) -> bytes:
    """The message FieldsV1, whose only field is the JSON text of the field set."""
    return encode_delimited(_FIRST, orjson.dumps(value))


def unpack_fields_v1(data: bytes) -> dict[str, Any]:
    """The field set; anything but a JSON object is refused."""
    raw = b"{}"
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at, len(data))
        if tag == _FIRST[0]:
            start, at = read_length(data, at, len(data))
            raw = data[start:at]
        else:
            at = skip_field(data, tag & 7, at, len(data))
    value = orjson.loads(raw)
    if not isinstance(value, dict) or exceeds_depth(value):
        raise WireError("fieldsV1 is no JSON object, or is nested too deeply")
    return value


@lru_cache(maxsize=4096)
def pack_time(value: str) -> bytes:
    """The message Time of an RFC 3339 text. Kubernetes sends whole seconds, nanos are 0."""
    seconds, _ = _split(value)
    return b"\x08" + encode_varint(seconds) + b"\x10\x00"


@lru_cache(maxsize=4096)
def pack_micro_time(value: str) -> bytes:
    """The message MicroTime of an RFC 3339 text."""
    seconds, micros = _split(value)
    return b"\x08" + encode_varint(seconds) + b"\x10" + encode_varint(micros * 1000)


def _split(value: str) -> tuple[int, int]:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise WireError(f"{value!r} is no time") from error
    if moment.tzinfo is None:
        raise WireError(f"{value!r} has no time zone")
    age = moment - _EPOCH
    return age.days * 86400 + age.seconds, age.microseconds


def unpack_time(data: bytes) -> str | None:
    """RFC 3339 in UTC to the second; None for the zero time."""
    moment = _moment(_bounded(data))
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def unpack_micro_time(data: bytes) -> str | None:
    """RFC 3339 in UTC to the microsecond; None for the zero time."""
    moment = _moment(_bounded(data))
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _bounded(data: bytes) -> bytes:
    """Two varints have 22 bytes at most; more would only fill the cache of moments."""
    if len(data) > _TIME_MAX_BYTES:
        raise WireError("a time is too long")
    return data


@lru_cache(maxsize=4096)
def _moment(data: bytes) -> datetime | None:
    if not data:
        return None
    seconds = nanos = at = 0
    while at < len(data):
        tag, at = read_varint(data, at, len(data))
        if tag not in (0x08, 0x10):
            at = skip_field(data, tag & 7, at, len(data))
            continue
        number, at = read_varint(data, at, len(data))
        seconds, nanos = (to_signed(number), nanos) if tag == 0x08 else (seconds, number)
    if seconds == _ZERO_TIME_S:
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=min(nanos, 999_999_999) // 1000)
    except OverflowError as error:
        raise WireError("time out of range") from error


def pack_entry(key: str, payload: bytes) -> bytes:
    """A map entry of a string key and an encoded value; both are always written."""
    return encode_delimited(_FIRST, key.encode()) + encode_delimited(_SECOND, payload)


def unpack_entry(data: bytes) -> tuple[str, bytes]:
    """A map entry's key and encoded value; either may be missing and is then empty."""
    key = payload = b""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        if tag & 7 != DELIMITED or tag >> 3 not in (1, 2):
            at = skip_field(data, tag & 7, at, end)
            continue
        start, at = read_length(data, at, end)
        key, payload = (data[start:at], payload) if tag >> 3 == 1 else (key, data[start:at])
    return key.decode(), payload


def pack_string_list(values: list[str]) -> bytes:
    """The message ExtraValue: strings in field 1."""
    return b"".join(encode_delimited(_FIRST, value.encode()) for value in values)


def unpack_string_list(data: bytes) -> list[str]:
    """The strings of an ExtraValue."""
    values: list[str] = []
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        if tag == _FIRST[0]:
            start, at = read_length(data, at, end)
            values.append(data[start:at].decode())
        else:
            at = skip_field(data, tag & 7, at, end)
    return values


def pack_quantity(value: str | float) -> bytes:
    """The message Quantity, whose only field is its text; JSON may also have a plain number."""
    return encode_delimited(_FIRST, (value if isinstance(value, str) else str(value)).encode())


def unpack_quantity(data: bytes) -> str:
    """The text of a Quantity. Whether it is a quantity is for the kind's schema to say."""
    return str(_read_fields(data).get(_FIRST[0], b"0"), "utf-8")


def pack_int_or_string(value: int | str) -> bytes:
    """The message IntOrString: which of the two it is, the number, the text; all are written."""
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + encode_delimited(b"\x1a", value.encode())
    return b"\x08\x00\x10" + encode_varint(value) + b"\x1a\x00"


def unpack_int_or_string(data: bytes) -> int | str:
    """The number, or the text; a third choice is refused."""
    fields = _read_fields(data)
    kind = fields.get(0x08, 0)
    if kind == 0:
        return to_signed(fields.get(0x10, 0), 32)
    if kind == 1:
        return str(fields.get(0x1A, b""), "utf-8")
    raise WireError("impossible IntOrString.Type")


def _read_fields(data: bytes) -> dict[int, Any]:
    """The varints and payloads of a message by tag; the last of each counts."""
    fields: dict[int, Any] = {}
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at, end)
        if tag & 7 == DELIMITED:
            start, at = read_length(data, at, end)
            fields[tag] = data[start:at]
        elif tag & 7 == VARINT:
            fields[tag], at = read_varint(data, at, end)
        else:
            at = skip_field(data, tag & 7, at, end)
    return fields


def unpack_numbers(unpack: Callable[[int], int]) -> Callable[[bytes], list[int]]:
    """Makes the reader of packed varints from that of one."""

    def read(data: bytes) -> list[int]:
        numbers: list[int] = []
        at, end = 0, len(data)
        while at < end:
            number, at = read_varint(data, at, end)
            numbers.append(unpack(number))
        return numbers

    return read


def pack_bool(value: bool) -> bytes:
    """One varint byte; anything but true and false is refused."""
    if value is not True and value is not False:
        raise WireError(f"{value!r} is no bool")
    return b"\x01" if value else b"\x00"
