"""What exactly is wrong with a body: unknown fields and wrong types, in Kubernetes' words.

Owns the texts and the removal of unknown fields. Runs only for bodies that their compiled check
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

from tagstream.api.schemas.checks import SCALAR_CHECKS
from tagstream.api.schemas.definitions import (
    LIST,
    MAP,
    SCALARS,
    Definition,
    Field,
    go_type,
    strip_containers,
)
from tagstream.api.wire.json_types import JsonObject

_JSON_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "bool"}
# Go types that read themselves, with the type that they tell of.
_SELF_READING: Final = {"Time": "string", "MicroTime": "string", "IntOrString": "int32"}
_BASE64: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\r\n")
_QUANTITY_TEXT: Final = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)

Definitions = Mapping[str, Definition]


def find_type_errors(
    value: JsonObject, definition: Definition, definitions: Definitions
) -> Iterator[str]:
    """Complaints in document order; Go reports the first."""
    return _TypeWalk(definitions).walk_struct(value, definition, "")


def prune_unknown(
    value: JsonObject, definition: Definition, definitions: Definitions, path: str = ""
) -> Iterator[str]:
    """Removes unknown fields as it goes and yields their paths, in document order."""
    unknown = []
    for key, item in value.items():
        child = f"{path}.{key}" if path else key
        field = definition.fields.get(key)
        if field is None:
            unknown.append(key)
            yield child
        else:
            yield from _prune_below(item, field.type, definitions, child)
    for key in unknown:
        del value[key]


def _prune_below(value: Any, text: str, definitions: Definitions, path: str) -> Iterator[str]:
    if strip_containers(text) in SCALARS:
        return
    if type(value) is list and text.startswith(LIST):
        for index, item in enumerate(value):
            yield from _prune_below(item, text.removeprefix(LIST), definitions, f"{path}[{index}]")
    elif type(value) is dict and text.startswith(MAP):
        for key, item in value.items():
            yield from _prune_below(item, text.removeprefix(MAP), definitions, f"{path}.{key}")
    elif type(value) is dict and text in definitions:
        yield from prune_unknown(value, definitions[text], definitions, path)


class _TypeWalk:
    """One search for values of a wrong type."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def walk_struct(self, value: JsonObject, definition: Definition, path: str) -> Iterator[str]:
        for key, item in value.items():
            field = definition.fields.get(key)
            if field is not None:
                child = f"{path}.{key}" if path else key
                yield from self._walk(item, field.type, field, definition, child)

    def _walk(
        self, value: Any, text: str, field: Field, owner: Definition, path: str
    ) -> Iterator[str]:
        """`field` and `owner` are what Go names: list indexes and map keys are not part of it."""
        if value is None:
            return
        if text in SCALARS:
            if not SCALAR_CHECKS[text](value):
                yield _scalar_error(value, text, field, owner, path)
            return
        if type(value) is not (list if text.startswith(LIST) else dict):
            yield _mismatch(value, _named(text, field), owner, path)
        elif text in self._definitions:
            yield from self.walk_struct(cast(JsonObject, value), self._definitions[text], path)
        else:
            inner, items = _open_container(value, text)
            for item in items:
                yield from self._walk(item, inner, field, owner, path)


def _open_container(value: Any, text: str) -> tuple[str, Iterable[Any]]:
    """The type of the items, and the items, of a list or map."""
    if text.startswith(LIST):
        return text.removeprefix(LIST), value
    return text.removeprefix(MAP), value.values()


def _named(text: str, field: Field) -> str:
    """The Go type of `text`, which is the field's type or one inside it."""
    return field.go_type if text == field.type else go_type(text)


def _scalar_error(value: Any, text: str, field: Field, owner: Definition, path: str) -> str:
    if type(value) is str:
        special = _STRING_ERRORS.get(text)
        if special is not None:
            return special(value)
    elif text == "Quantity":
        return _QUANTITY_TEXT
    wanted = _SELF_READING.get(text) or _named(text, field)
    return _mismatch(value, wanted, owner, path)


def _mismatch(value: Any, wanted: str, owner: Definition, path: str) -> str:
    return (
        f"json: cannot unmarshal {_describe(value, wanted)} into Go struct field "
        f"{owner.go_name}.{path} of type {wanted}"
    )


def _describe(value: Any, wanted: str) -> str:
    name = _JSON_NAMES.get(type(value))
    if name is not None:
        return name
    # Go prints a number that is of the right kind and does not fit.
    return f"number {value}" if wanted in ("int32", "int64") else "number"


def _time_error(value: str) -> str:
    layout = "2006-01-02T15:04:05Z07:00"
    return f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"'


def _base64_error(value: str) -> str:
    text = value.rstrip("=")
    bad = next((at for at, letter in enumerate(text) if letter not in _BASE64), None)
    offset = len(text) // 4 * 4 if bad is None else bad
    return f"illegal base64 data at input byte {offset}"


_STRING_ERRORS: Final[Mapping[str, Callable[[str], str]]] = {
    "Time": _time_error,
    "MicroTime": _time_error,
    "bytes": _base64_error,
    "Quantity": lambda value: _QUANTITY_TEXT,
}
