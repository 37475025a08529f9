"""Request bodies to objects: JSON, YAML and Kubernetes protobuf.

Owns decoding with its bounds (nesting, aliases), defaulting of apiVersion and kind, the shape of
`metadata`, and the 400 texts. The byte limit is the HTTP edge's; the meaning of spec and status
is the resource's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from tagstream.api.wire.field_validation import (
    FieldTree,
    FieldValidation,
    apply_field_policy,
    find_duplicate_fields,
    find_unknown_fields,
)
from tagstream.api.wire.go_json_errors import describe_json_error
from tagstream.api.wire.json_types import JsonObject, exceeds_depth
from tagstream.api.wire.k8s_protobuf import decode_protobuf, read_type, supports
from tagstream.api.wire.metadata_types import check_metadata_types
from tagstream.api.wire.negotiation import Encoding, PatchType, parse_body_type
from tagstream.api.wire.status import ApiError, bad_request
from tagstream.api.wire.yaml_body import YamlRefused, parse_yaml

_SUMMARY_BYTES: Final = 30
_TYPE_META: Final = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
_GO_TYPES: Final = {list: "array", str: "string", int: "number", float: "number", bool: "bool"}


@dataclass(frozen=True, slots=True)
class Expected:
    """The object that an endpoint takes.

    `internal_package` is the Go package of the unversioned type in `unknown conversion` texts;
    empty means the first word of the group, `core` for the core group.
    """

    api_version: str
    kind: str
    internal_package: str = ""

    @property
    def package(self) -> str:
        """The package name that a conversion error prints."""
        group = self.api_version.rpartition("/")[0]
        return self.internal_package or group.partition(".")[0] or "core"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body as an object, and the texts for `Warning` headers."""

    body: JsonObject
    warnings: tuple[str, ...] = ()


def decode_body(
    data: bytes,
    content_type: str | None,
    expected: Expected,
    *,
    policy: FieldValidation = FieldValidation.IGNORE,
    fields: FieldTree | None = None,
) -> Decoded:
    """The object in a POST or PUT body, of the expected kind, with a `metadata` of right types.

    A missing apiVersion and kind are filled in. `fields` lists what the kind knows; None accepts
    every field. Raises 400 for what cannot be read and 415 for the content type.
    """
    protobuf = supports(expected.api_version, expected.kind)
    encoding = parse_body_type(content_type, protobuf=protobuf)
    if encoding is Encoding.PROTOBUF:
        # First the type: the empty items of a list would be a thousand times as large as JSON.
        _check_type(*read_type(data, expected.api_version, expected.kind), expected)
        body = decode_protobuf(data, expected.api_version, expected.kind)
    else:
        body = _decode_text(data, encoding, expected)
        _check_type(body["apiVersion"], body["kind"], expected)
    check_metadata_types(body, expected.kind)
    if policy is FieldValidation.IGNORE or encoding is Encoding.PROTOBUF:
        return Decoded(body)
    problems = find_duplicate_fields(data) if encoding is Encoding.JSON else []
    if fields is not None:
        problems += find_unknown_fields(body, fields)
    version = expected.api_version.rpartition("/")[2]
    return Decoded(body, tuple(apply_field_policy(policy, problems, expected.kind, version)))


def decode_delete_options(data: bytes, content_type: str | None) -> JsonObject:
    """DELETE's optional body; empty means no options. Any group's version is accepted."""
    if not data:
        return {}
    expected = Expected("v1", "DeleteOptions", "meta")
    encoding = parse_body_type(content_type, protobuf=True)
    if encoding is Encoding.PROTOBUF:
        body = decode_protobuf(data, "v1", "DeleteOptions")
    else:
        body = _decode_text(data, encoding, expected)
    if body["kind"] != "DeleteOptions":
        raise _unknown_conversion(body["apiVersion"], body["kind"], expected)
    return body


def decode_patch(data: bytes, patch_type: PatchType) -> JsonObject | list[Any]:
    """A PATCH body: a list for JSON patch, else an object. Raises 400."""
    if patch_type is PatchType.APPLY:
        try:
            value = parse_yaml(data)
        except YamlRefused as error:
            raise bad_request(f"error decoding YAML: {error}") from error
    else:
        value = _load_json(data)
    if patch_type is PatchType.JSON:
        if isinstance(value, list):
            return value
        raise bad_request(_cannot_unmarshal(value, "jsonpatch.Patch"))
    if isinstance(value, dict):
        return value
    raise bad_request(_cannot_unmarshal(value, "map[string]interface {}"))


def _load_json(data: bytes) -> object:
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise bad_request(describe_json_error(data)) from error
    if exceeds_depth(value):
        raise bad_request("the object is nested too deeply")
    return value


def _decode_text(data: bytes, encoding: Encoding, expected: Expected) -> JsonObject:
    try:
        value = _load_json(data) if encoding is Encoding.JSON else parse_yaml(data)
    except ApiError as error:
        cause = f"couldn't get version/kind; json parse error: {error.message}"
        raise _unrecognized(data, expected, cause) from error
    except YamlRefused as error:
        raise _unrecognized(data, expected, str(error)) from error
    if value is None:
        value = {}
    if not isinstance(value, dict):
        cause = _cannot_unmarshal(value, _TYPE_META)
        cause = f"couldn't get version/kind; json parse error: {cause}"
        raise _unrecognized(data, expected, cause)
    for key, default in (("apiVersion", expected.api_version), ("kind", expected.kind)):
        found = value.get(key) or default
        if not isinstance(found, str):
            cause = (
                "couldn't get version/kind; json parse error: json: cannot unmarshal "
                f"{_go_type(found)} into Go struct field .{key} of type string"
            )
            raise _unrecognized(data, expected, cause)
        value[key] = found
    return value


def _check_type(api_version: str, kind: str, expected: Expected) -> None:
    if kind != expected.kind:
        raise _unknown_conversion(api_version, kind, expected)
    if api_version != expected.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match "
            f"the expected API version ({expected.api_version})"
        )


def _unknown_conversion(api_version: str, kind: str, expected: Expected) -> ApiError:
    version = api_version.rpartition("/")[2]
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {expected.kind}: '
        f"converting ({version}.{kind}) to ({expected.package}.{expected.kind}): "
        "unknown conversion"
    )


def _unrecognized(data: bytes, expected: Expected, cause: str) -> ApiError:
    return bad_request(
        f"the object provided is unrecognized (must be of type {expected.kind}): "
        f"{cause} ({_summarize(data)})"
    )


def _summarize(data: bytes) -> str:
    """The start of a body: as text when it may be JSON, else in hex."""
    if not data:
        return "<empty>"
    start = data[:_SUMMARY_BYTES]
    text = start.decode("utf-8", "replace") if data.startswith(b"{") else start.hex()
    return text + " ..." if len(data) > _SUMMARY_BYTES else text


def _go_type(value: object) -> str:
    return _GO_TYPES.get(type(value), "object")


def _cannot_unmarshal(value: object, target: str) -> str:
    return f"json: cannot unmarshal {_go_type(value)} into Go value of type {target}"
