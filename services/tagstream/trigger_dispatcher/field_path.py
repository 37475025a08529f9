"""The fieldPath of a trigger: which container it names. Pure.

Owns the grammar (spec/triggers-lookup-pruning.md, A3); finding the container is `targets`.

    fieldPath = base "." list "[" selector "]" [ "." ] "image"
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tagstream.errors import InvalidInput

CONTAINER_LISTS = ("containers", "initContainers")

_INDEX = re.compile(r"[+-]?[0-9]{1,18}")
_BY_NAME = re.compile(r"""\?\(@\.name==(?:"(?P<double>.*)"|'(?P<single>.*)')\)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ByName:
    """A container by name; the list that the path names does not matter."""

    name: str


@dataclass(frozen=True, slots=True)
class ByIndex:
    """A container by position in one list; may be negative or past the end."""

    list_name: str
    index: int


Selector = ByName | ByIndex


def names_base(path: str, base: str) -> bool:
    """Whether the path lies below the kind's pod spec; one that does not is silently skipped."""
    return path.startswith(base + ".")


def parse_field_path(path: str, base: str) -> Selector:
    """Read a path that lies below `base` (`spec.template.spec`).

    Raises InvalidInput with OpenShift's wording for a path that cannot be right on any object.
    """
    rest = path.removeprefix(base + ".")
    list_name, bracket, rest = rest.partition("[")
    selector, closing, rest = rest.partition("]")
    if not bracket or not closing or list_name not in CONTAINER_LISTS:
        raise InvalidInput("", f"field path is not valid: {path}")
    if rest.removeprefix(".") != "image":
        raise InvalidInput("", f"field path is not valid: {path}")
    by_name = _BY_NAME.fullmatch(selector)
    if by_name is not None:
        return ByName(by_name["double"] if by_name["double"] is not None else by_name["single"])
    if _INDEX.fullmatch(selector) is None:
        raise no_such_container(path)
    return ByIndex(list_name, int(selector))


def no_such_container(path: str) -> InvalidInput:
    """OpenShift's answer to a path that addresses nothing."""
    return InvalidInput("", f"no such container: {path}")
