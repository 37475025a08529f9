"""Applying PATCH bodies: JSON patch, JSON merge patch, strategic merge patch.

Owns the bounds and the refusals; never changes its arguments, and the result shares nothing
with them. Server-side apply is not here: it needs field ownership.
"""

from __future__ import annotations

from typing import Any, Final

import jsonpatch
import orjson
from jsonpointer import JsonPointer, JsonPointerException

from tagstream.api.wire.json_types import JsonObject, copy_json, exceeds_depth
from tagstream.api.wire.merge_keys import get_merge_schema
from tagstream.api.wire.status import bad_request, too_large, unprocessable
from tagstream.api.wire.strategic_merge import merge_into

MAX_JSON_PATCH_OPERATIONS: Final = 10_000
#: All that the `copy` operations of one patch may copy together. Kubernetes allows 3 MiB; the
#: library copies slowly enough that this much would hold up other requests for seconds.
MAX_COPIED_BYTES: Final = 512 * 1024
_INAPPLICABLE: Final = (
    jsonpatch.JsonPatchException,
    JsonPointerException,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ValueError,
    RecursionError,
)


def apply_json_patch(original: JsonObject, operations: list[Any]) -> JsonObject:
    """`original` after all operations (RFC 6902).

    Raises 413 for too many operations or too much copying, 422 where one does not apply,
    a failing `test` included.
    """
    if len(operations) > MAX_JSON_PATCH_OPERATIONS:
        raise too_large(
            f"The allowed maximum operations in a JSON patch is {MAX_JSON_PATCH_OPERATIONS}, "
            f"got {len(operations)}"
        )
    document: Any = copy_json(original)
    copied_bytes = 0
    try:
        for operation in operations:
            copied_bytes += _copied_bytes(document, operation)
            if copied_bytes > MAX_COPIED_BYTES:
                raise too_large(
                    "the accumulated size of copy operations in the JSON patch exceeds "
                    f"{MAX_COPIED_BYTES} bytes"
                )
            document = jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
    except _INAPPLICABLE as error:
        raise unprocessable() from error
    return _checked(document)


def _copied_bytes(document: Any, operation: Any) -> int:
    """What a `copy` would add; orjson refuses values nested beyond its own bound."""
    if operation.get("op") != "copy":
        return 0
    return len(orjson.dumps(JsonPointer(operation["from"]).resolve(document)))


def apply_merge_patch(original: JsonObject, patch: JsonObject) -> JsonObject:
    """`original` merged with `patch` (RFC 7386): null deletes, lists are replaced."""
    return _checked(_merge(copy_json(original), copy_json(patch)))


def _merge(target: JsonObject, patch: JsonObject) -> JsonObject:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            current = target.get(name)
            target[name] = _merge(current if isinstance(current, dict) else {}, value)
        else:
            target[name] = value
    return target


def apply_strategic_merge_patch(
    original: JsonObject, patch: JsonObject, *, group: str, kind: str
) -> JsonObject:
    """`original` merged with `patch` by the merge keys of its kind.

    Raises 400 for a malformed patch, 422 where an element lacks its merge key.
    """
    schema = get_merge_schema(group, kind)
    return _checked(merge_into(copy_json(original), copy_json(patch), schema))


def _checked(document: Any) -> JsonObject:
    if not isinstance(document, dict):
        raise unprocessable()
    if exceeds_depth(document):
        raise bad_request("the patched object is nested too deeply")
    return document
