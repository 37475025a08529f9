"""The JSON types inside an object's `metadata`, checked once for every kind.

Owns the type check only, so that later code may read metadata without looking; the rules for
names and labels are in `names.py`.
"""

from __future__ import annotations

from typing import Any, Final

from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError, bad_request

_TYPES: Final[dict[str, tuple[type, str]]] = {
    "name": (str, "string"),
    "generateName": (str, "string"),
    "namespace": (str, "string"),
    "selfLink": (str, "string"),
    "uid": (str, "types.UID"),
    "resourceVersion": (str, "string"),
    "generation": (int, "int64"),
    "creationTimestamp": (str, "v1.Time"),
    "deletionTimestamp": (str, "v1.Time"),
    "deletionGracePeriodSeconds": (int, "int64"),
    "labels": (dict, "map[string]string"),
    "annotations": (dict, "map[string]string"),
    "ownerReferences": (list, "[]v1.OwnerReference"),
    "finalizers": (list, "[]string"),
    "managedFields": (list, "[]v1.ManagedFieldsEntry"),
}
_ITEMS: Final[dict[str, tuple[type, str]]] = {
    "labels": (str, "string"),
    "annotations": (str, "string"),
    "ownerReferences": (dict, "v1.OwnerReference"),
    "finalizers": (str, "string"),
    "managedFields": (dict, "v1.ManagedFieldsEntry"),
}
_GO_NAMES: Final = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
}


def check_metadata_types(body: JsonObject, kind: str) -> None:
    """Raises 400 where `metadata` holds a value of a wrong type; null counts as absent.

    Fills in a missing `metadata` and drops nulls from it, from `labels` and `annotations`
    (where Kubernetes reads them as empty strings, which is kept).
    """
    metadata = body.get("metadata")
    if metadata is None:
        body["metadata"] = {}
        return
    if type(metadata) is not dict:
        raise _wrong_type(body, kind, "metadata", metadata, "v1.ObjectMeta")
    for field in [name for name, value in metadata.items() if value is None]:
        del metadata[field]
    for field, value in metadata.items():
        expected = _TYPES.get(field)
        if expected is None:
            continue
        if type(value) is not expected[0]:
            raise _wrong_type(body, kind, f"metadata.{field}", value, expected[1])
        if field in _ITEMS:
            _check_items(body, kind, field, value)


def _check_items(body: JsonObject, kind: str, field: str, value: Any) -> None:
    expected, go_type = _ITEMS[field]
    if type(value) is dict:
        for key, item in value.items():
            if item is None:
                value[key] = ""
    for item in value.values() if type(value) is dict else value:
        if item is not None and type(item) is not expected:
            raise _wrong_type(body, kind, f"metadata.{field}", item, go_type)
    if type(value) is list and None in value:
        value[:] = [item for item in value if item is not None]


def _wrong_type(body: JsonObject, kind: str, path: str, value: object, go_type: str) -> ApiError:
    version = str(body.get("apiVersion", "")).rpartition("/")[2]
    struct = "ObjectMeta" if "." in path else kind
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal '
        f"{_GO_NAMES.get(type(value), 'null')} into Go struct field {struct}.{path} "
        f"of type {go_type}"
    )
