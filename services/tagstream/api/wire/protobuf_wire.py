"""The protobuf wire format: varints, tags, length-delimited fields, skipping.

Owns the bytes, nothing of Kubernetes. Reading is bounds-checked everywhere and raises
`WireError`, since the input is anybody's.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
DELIMITED: Final = 2
FIXED32: Final = 5

_MASK64: Final = (1 << 64) - 1
_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(128))


class WireError(ValueError):
    """The bytes are no such message; the text says where it went wrong."""


def encode_varint(number: int) -> bytes:
    """An unsigned number as varint; a negative one as 64-bit two's complement."""
    if 0 <= number < 128:
        return _ONE_BYTE[number]
    if not -(1 << 63) <= number < (1 << 64):
        raise WireError(f"{number} does not fit 64 bits")
    number &= _MASK64
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def encode_delimited(tag: bytes, payload: bytes) -> bytes:
    """A length-delimited field: tag, length, payload."""
    return tag + encode_varint(len(payload)) + payload


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned varint at `at` and the position after it."""
    if at < end and data[at] < 128:
        return data[at], at + 1
    number = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & _MASK64, at
        shift += 7
    raise WireError("unexpected EOF" if at >= end else "integer overflow")


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Start and end of the length-delimited payload whose length stands at `at`."""
    length, start = read_varint(data, at, end)
    if length > end - start:
        raise WireError("unexpected EOF")
    return start, start + length


def skip_field(data: bytes, wire_type: int, at: int, end: int) -> int:
    """The position after an unknown field's value; groups are refused."""
    if wire_type == VARINT:
        return read_varint(data, at, end)[1]
    if wire_type == DELIMITED:
        return read_length(data, at, end)[1]
    if wire_type not in (FIXED32, FIXED64):
        raise WireError(f"illegal wireType {wire_type}")
    after = at + (8 if wire_type == FIXED64 else 4)
    if after > end:
        raise WireError("unexpected EOF")
    return after


def to_signed(number: int, bits: int = 64) -> int:
    """An unsigned 64-bit varint as the signed number of `bits` bits it stands for."""
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number
