"""The annotation `image.openshift.io/triggers`, decoded as OpenShift decodes it. Pure.

Owns the text's form (spec/triggers-lookup-pruning.md, A2). What a trigger means for a workload is
`matching`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from tagstream.errors import InvalidInput

TRIGGERS_ANNOTATION = "image.openshift.io/triggers"

_MAX_FIELD_PATH_CHARS = 512
_MAX_ANNOTATION_CHARS = 256 * 1024
_SHORT_CHARS = 4 * 1024
_GO_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", float: "number"}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One entry, in the annotation's order; absent texts are empty."""

    from_kind: str = ""
    from_api_version: str = ""
    from_namespace: str = ""
    from_name: str = ""
    field_path: str = ""
    paused: bool = False


class _Object:
    """A JSON object with its keys in order, doubles included."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def parse_triggers(text: str) -> tuple[Trigger, ...]:
    """Decode the annotation's value; `null` and `[]` mean no triggers.

    Raises InvalidInput when it cannot be decoded or names a fieldPath twice.
    """
    # One reaction asks for the same text several times.
    return _parse_short(text) if len(text) <= _SHORT_CHARS else _parse(text)


def _parse(text: str) -> tuple[Trigger, ...]:
    decoded = _decode(text)
    if decoded is None:
        return ()
    if not isinstance(decoded, list):
        _refuse(decoded, "", "[]ObjectFieldTrigger")
    triggers = tuple(_build_trigger(entry) for entry in decoded)
    paths = [trigger.field_path for trigger in triggers]
    if len(set(paths)) != len(paths):
        raise InvalidInput("", "duplicate triggers are not allowed")
    if any(len(path) > _MAX_FIELD_PATH_CHARS for path in paths):
        raise InvalidInput("", f"a fieldPath is longer than {_MAX_FIELD_PATH_CHARS} characters")
    return triggers


_parse_short = lru_cache(maxsize=1024)(_parse)


def _decode(text: str) -> object:
    if len(text) > _MAX_ANNOTATION_CHARS:
        raise InvalidInput("", "the annotation is too large")
    try:
        # Numbers are never wanted; as float their length does not matter.
        return json.loads(
            text, object_pairs_hook=_Object, parse_int=float, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise InvalidInput("", "json: exceeded max depth") from error
    except ValueError as error:
        raise InvalidInput("", f"json: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid character in {name}")


def _build_trigger(entry: object) -> Trigger:
    source = {"kind": "", "apiversion": "", "namespace": "", "name": ""}
    field_path, paused = "", False
    for key, value in _pairs(entry, "", "ObjectFieldTrigger"):
        match key.casefold():
            case "from":
                _merge_source(source, value)
            case "fieldpath":
                field_path = _text(value, "fieldPath")
            case "paused":
                if not isinstance(value, bool):
                    _refuse(value, "paused", "bool")
                paused = value
    return Trigger(
        from_kind=source["kind"],
        from_api_version=source["apiversion"],
        from_namespace=source["namespace"],
        from_name=source["name"],
        field_path=field_path,
        paused=paused,
    )


def _merge_source(source: dict[str, str], value: object) -> None:
    for key, text in _pairs(value, "from", "ObjectReference"):
        folded = key.casefold()
        if folded in source:
            source[folded] = _text(text, f"from.{key}")


def _pairs(value: object, field: str, expected: str) -> list[tuple[str, object]]:
    """The keys that say something: for Go's decoder null leaves a field as it was."""
    if value is None:
        return []
    if not isinstance(value, _Object):
        _refuse(value, field, expected)
    return [(key, found) for key, found in value.pairs if found is not None]


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        _refuse(value, field, "string")
    # Go replaces lone surrogates; Postgres refuses NUL. No name holds either.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "�")


def _refuse(value: object, field: str, expected: str) -> NoReturn:
    found = "object" if isinstance(value, _Object) else _GO_NAMES.get(type(value), "value")
    where = f"Go struct field ObjectFieldTrigger.{field}" if field else "Go value"
    raise InvalidInput("", f"json: cannot unmarshal {found} into {where} of type {expected}")
