"""Compiled predicates: does a value hold only known fields of the right JSON types?

Owns speed. They answer yes or no; what is wrong is found by `findings.py`, which runs only after a
no. Both recurse along the definitions and never along the input, so depth is bounded.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from typing import Final

from tagstream.api.schemas.definitions import LIST, MAP, Definition

Check = Callable[[object], bool]

INT32_BOUND: Final = 1 << 31
INT64_BOUND: Final = 1 << 63
_TIME_RE: Final = re.compile(
    r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d(?:[.,]\d+)?(?:Z|[+-][0-2]\d:[0-5]\d)"
)
_QUANTITY_RE: Final = re.compile(r"[+-]?[0-9.]+(?:[eEinumkKMGTP]*[-+]?[0-9]*)")


def is_int32(value: object) -> bool:
    return value is None or (type(value) is int and -INT32_BOUND <= value < INT32_BOUND)


def is_int64(value: object) -> bool:
    return value is None or (type(value) is int and -INT64_BOUND <= value < INT64_BOUND)


def is_time(value: object) -> bool:
    """RFC 3339, or null."""
    return value is None or (type(value) is str and _TIME_RE.fullmatch(value) is not None)


def is_base64(value: object) -> bool:
    """Standard base64 with padding; line breaks are allowed, as in Go."""
    if type(value) is not str:
        return value is None
    text = value.replace("\r", "").replace("\n", "") if "\n" in value else value
    try:
        a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        return not text
    return True


def is_quantity(value: object) -> bool:
    """A number, or a number in a string with a unit behind it."""
    if type(value) is str:
        return _QUANTITY_RE.fullmatch(value) is not None
    return value is None or type(value) is int or type(value) is float


SCALAR_CHECKS: Final[Mapping[str, Check]] = {
    "string": lambda value: type(value) is str or value is None,
    "bool": lambda value: type(value) is bool or value is None,
    "int32": is_int32,
    "int64": is_int64,
    "float64": lambda value: value is None or type(value) is int or type(value) is float,
    "bytes": is_base64,
    "object": lambda value: True,
    "Time": is_time,
    "MicroTime": is_time,
    "IntOrString": lambda value: type(value) is str or is_int32(value),
    "Quantity": is_quantity,
}


class CheckCompiler:
    """Makes the predicate of a type, once for each definition."""

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self._definitions = definitions
        self._compiled: dict[str, Check] = {}

    def compile(self, text: str) -> Check:
        """The predicate of a resolved type."""
        found = self._compiled.get(text) or SCALAR_CHECKS.get(text)
        if found is not None:
            return found
        if text.startswith(LIST):
            found = _check_list(self.compile(text.removeprefix(LIST)))
        elif text.startswith(MAP):
            found = _check_map(self.compile(text.removeprefix(MAP)))
        else:
            return self._compile_struct(text)
        self._compiled[text] = found
        return found

    def _compile_struct(self, name: str) -> Check:
        fields: dict[str, Check] = {}
        # Known before its fields are: a definition may contain itself.
        found = self._compiled[name] = _check_struct(fields)
        for field, described in self._definitions[name].fields.items():
            fields[field] = self.compile(described.type)
        return found


def _check_struct(fields: Mapping[str, Check]) -> Check:
    get = fields.get

    def check(value: object) -> bool:
        if type(value) is not dict:
            return value is None
        for key, item in value.items():
            field = get(key)
            if field is None or not field(item):
                return False
        return True

    return check


def _check_list(of: Check) -> Check:
    def check(value: object) -> bool:
        if type(value) is not list:
            return value is None
        return all(map(of, value))

    return check


def _check_map(of: Check) -> Check:
    def check(value: object) -> bool:
        if type(value) is not dict:
            return value is None
        return all(map(of, value.values()))

    return check
