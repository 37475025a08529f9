"""Typed reading of JSON that a registry or a user sent, within bounds.

Owns the limits on such documents and the one error for all that can be wrong with them. Knows no
field by name. JSON null reads as an absent field, as it does in the original server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_NUMBER_CHARS: Final = 32
INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)

# A string is consumed whole, terminated or not, so that no byte is looked at twice.
_NESTING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class InvalidManifest(ValueError):
    """A manifest, its config or an image document cannot be used; `str()` says where and why."""


@dataclass(frozen=True, slots=True)
class JsonFields:
    """The fields of one JSON object. `path` is where it stands, for messages.

    Every method answers the zero value for an absent field and raises InvalidManifest for a value
    of another type.
    """

    values: Mapping[str, object]
    path: str

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise InvalidManifest about the field `key`."""
        raise InvalidManifest(f"{self.path}.{key}: {problem}")

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(key) is not None

    def text(self, key: str) -> str:
        """A string that can be stored: no NUL, and lone surrogates replaced."""
        return self._as_text(self.values.get(key), key)

    def integer(self, key: str) -> int:
        """A number that fits int64."""
        value = self.values.get(key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(key, "must be a whole number")
        if not INT64_MIN <= value <= INT64_MAX:
            self.fail(key, "must fit in 64 bits")
        return value

    def size(self, key: str) -> int:
        """A number of bytes that must be there."""
        if not self.has(key):
            self.fail(key, "is missing")
        value = self.integer(key)
        if value < 0:
            self.fail(key, "must not be negative")
        return value

    def flag(self, key: str) -> bool:
        """A boolean."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail(key, "must be true or false")
        return bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(
            self._as_text(item, f"{key}[{index}]") for index, item in enumerate(self._list(key))
        )

    def text_map(self, key: str) -> dict[str, str]:
        """An object of strings, sorted by key."""
        nested = self.member(key)
        return {
            self._as_text(name, key): self._as_text(nested.values[name], f"{key}[{name!r:.100}]")
            for name in sorted(nested.values)
        }

    def names(self, key: str) -> tuple[str, ...]:
        """The keys, sorted, of an object that is a set: each value is an object or null."""
        nested = self.member(key)
        for name, value in nested.values.items():
            self._as_object(value, f"{key}[{name!r:.100}]")
        return tuple(self._as_text(name, key) for name in sorted(nested.values))

    def member(self, key: str) -> JsonFields:
        """A nested object; one without fields when absent."""
        return self._as_object(self.values.get(key), key)

    def members(self, key: str, limit: int) -> tuple[JsonFields, ...]:
        """A list of at most `limit` objects."""
        items = self._list(key)
        if len(items) > limit:
            self.fail(key, f"has {len(items)} entries, more than the {limit} accepted")
        return tuple(self._as_object(item, f"{key}[{index}]") for index, item in enumerate(items))

    def _list(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(key, "must be a list")
        return value

    def _as_object(self, value: object, key: str) -> JsonFields:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self.fail(key, "must be an object")
        return JsonFields(value, f"{self.path}.{key}")

    def _as_text(self, value: object, key: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fail(key, "must be a string")
        if "\0" in value:
            self.fail(key, "must not hold a NUL character")
        if value.isascii():
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def load_object(raw: bytes, path: str) -> JsonFields:
    """Parse a document that must be one JSON object; `path` names it in messages.

    Raises InvalidManifest when it is too large, too deep, not UTF-8, no JSON, no object, or says
    a key twice: readers differ in which one they believe.
    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise InvalidManifest(f"{path}: is larger than the {MAX_DOCUMENT_BYTES} bytes accepted")
    _check_depth(raw, path)
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_unique_pairs,
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
        )
    except InvalidManifest as error:
        raise InvalidManifest(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidManifest(f"{path}: is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise InvalidManifest(f"{path}: is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidManifest(f"{path}: must be a JSON object")
    return JsonFields(value, path)


def _check_depth(raw: bytes, path: str) -> None:
    # Most documents open fewer containers than they may nest, and need no closer look.
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for match in _NESTING.finditer(raw):
        token = match[0]
        depth += (token in b"[{") - (token in b"]}")
        if depth > MAX_DEPTH:
            raise InvalidManifest(f"{path}: is nested deeper than the {MAX_DEPTH} levels accepted")


def _unique_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise InvalidManifest(f"the key {key!r:.100} appears twice in one object")
        seen.add(key)
    return fields


def _parse_int(digits: str) -> int:
    # Converting is quadratic in the digits, and the interpreter's own limit is a mere ValueError.
    if len(digits) > MAX_NUMBER_CHARS:
        raise InvalidManifest(f"a number has {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidManifest(f"{name} is not a JSON number")
