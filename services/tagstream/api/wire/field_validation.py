"""What happens to unknown and duplicate fields: the query parameter `fieldValidation`.

Owns the three policies and the search for such fields. Which fields a kind has is told by the
caller as a tree.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Union

from tagstream.api.wire.field_errors import unsupported_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import bad_request, invalid

#: The fields of a kind: a name leads to the tree below it (lists are passed through), or to
#: None where anything may follow. Metadata need not be listed: see METADATA_FIELDS.
FieldTree = Mapping[str, Union["FieldTree", None]]

METADATA_FIELDS: Final[FieldTree] = {
    name: None
    for name in (
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    )
}


class FieldValidation(StrEnum):
    """Ignore drops such fields silently, Warn adds warnings, Strict refuses the request."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


def parse_field_validation(
    value: str | None, options_kind: str = "CreateOptions"
) -> FieldValidation:
    """The parameter's value; absent means Warn. Raises 422 on any other word.

    `options_kind` is CreateOptions, UpdateOptions or PatchOptions, for the error's text.
    """
    if not value:
        return FieldValidation.WARN
    try:
        return FieldValidation(value)
    except ValueError:
        choices = [choice.value for choice in FieldValidation]
        error = unsupported_value("fieldValidation", value, choices)
        raise invalid(options_kind, "meta.k8s.io", "", [error]) from None


def find_unknown_fields(body: JsonObject, fields: FieldTree) -> list[str]:
    """Problems like `unknown field "spec.tags[0].nmae"`, in document order."""
    tree: FieldTree = {
        "apiVersion": None,
        "kind": None,
        "metadata": METADATA_FIELDS,
        **fields,
    }
    return [f'unknown field "{path}"' for path in _walk_unknown(body, tree, "")]


def _walk_unknown(value: object, tree: FieldTree, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk_unknown(item, tree, f"{path}[{index}]")
        return
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        child = f"{path}.{name}" if path else name
        if name not in tree:
            yield child
            continue
        below = tree[name]
        if below is not None:
            yield from _walk_unknown(item, below, child)


class _Pairs(dict[str, Any]):
    """An object that remembers which of its keys were written more than once."""

    duplicates: tuple[str, ...] = ()


def _build_pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    built = _Pairs(pairs)
    if len(built) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        built.duplicates = tuple(key for key, count in counts.items() if count > 1)
    return built


def find_duplicate_fields(data: bytes) -> list[str]:
    """Problems like `duplicate field "metadata.labels.a"` of a well-formed JSON body.

    Slower than decoding: run it only for Warn and Strict. Depth has to be checked before.
    """
    value = json.loads(data, object_pairs_hook=_build_pairs, parse_int=float)
    return [f'duplicate field "{path}"' for path in _walk_duplicates(value, "")]


def _walk_duplicates(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk_duplicates(item, f"{path}[{index}]")
    elif isinstance(value, _Pairs):
        prefix = f"{path}." if path else ""
        for name in value.duplicates:
            yield prefix + name
        for name, item in value.items():
            yield from _walk_duplicates(item, prefix + name)


def apply_field_policy(
    policy: FieldValidation, problems: list[str], kind: str, version: str
) -> list[str]:
    """The warnings to send for these problems; Strict raises 400 naming all of them."""
    if policy is FieldValidation.STRICT and problems:
        listed = ", ".join(problems)
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {kind}: '
            f"strict decoding error: {listed}"
        )
    return problems if policy is FieldValidation.WARN else []
