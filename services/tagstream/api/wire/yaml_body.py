"""YAML bodies to JSON values, bounded before anything is built.

Owns the loader (YAML 1.1 as Kubernetes reads it: no dates, no base-60 numbers, no object tags)
and the defence against alias bombs. Choosing YAML is `negotiation.py`.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import orjson
import yaml

from tagstream.api.wire.json_types import MAX_DEPTH, exceeds_depth

#: About a second of parsing. JSON, which clients send even as YAML, is not limited by it.
_MAX_NODES: Final = 100_000


class YamlRefused(Exception):
    """Why a document was not accepted, as text."""


class _Loader(yaml.CSafeLoader):
    """Plain scalars become null, bool, int, float or str, nothing else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (the base class declares it so)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve(
    "bool",
    r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$",
    "yYnNtTfFoO",
)
_resolve("int", r"^[-+]?(?:0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$", "-+0123456789")
_resolve(
    "float",
    r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    "-+0123456789.",
)
_resolve("null", r"^(?:~|null|Null|NULL|)$", "~nN\0")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
_resolve("merge", r"^(?:<<)$", "<")


def parse_yaml(data: bytes) -> object:
    """The only document in `data` as JSON values with string keys; raises YamlRefused."""
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_real_yaml(data)
    if exceeds_depth(value):
        raise YamlRefused("yaml: nested too deeply")
    return value


def _parse_real_yaml(data: bytes) -> object:
    try:
        _check_size(data)
        value = yaml.load(data, Loader=_Loader)
        return _to_json(value)
    except yaml.YAMLError as error:
        raise YamlRefused("yaml: " + " ".join(str(error).split())) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise YamlRefused(f"yaml: {error}") from error


def _check_size(data: bytes) -> None:
    """Counts the nodes that the document has once its aliases are written out."""
    counter = _NodeCounter()
    for event in yaml.parse(data, Loader=yaml.CSafeLoader):
        counter.feed(event)


class _NodeCounter:
    def __init__(self) -> None:
        self._total = 0
        self._open: list[tuple[str | None, int]] = []
        self._anchored: dict[str, int] = {}

    def feed(self, event: yaml.Event) -> None:
        """Takes the next event; raises YamlRefused when the document gets too large or deep."""
        if isinstance(event, yaml.AliasEvent):
            size = self._anchored.get(event.anchor or "")
            if size is None:
                raise YamlRefused(f"yaml: anchor '{event.anchor}' value contains itself")
            self._add(size)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(1)
            self._remember(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, self._total))
            self._add(1)
            if len(self._open) > MAX_DEPTH:
                raise YamlRefused("yaml: nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self._open.pop()
            self._remember(anchor, self._total - before)

    def _add(self, nodes: int) -> None:
        self._total += nodes
        if self._total > _MAX_NODES:
            raise YamlRefused("yaml: document contains excessive aliasing or too many nodes")

    def _remember(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._anchored[anchor] = size


def _to_json(value: object) -> object:
    """Keys as strings and numbers as JSON has them; depth is bounded by `_check_size`."""
    if isinstance(value, dict):
        return {_key(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"a {type(value).__name__} has no JSON form")


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (int, float)):
        return str(key)
    if key is None:
        return "null"
    raise ValueError("a mapping key must be a scalar")
