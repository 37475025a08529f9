"""The query parameters and DeleteOptions that reads and writes share, checked.

Owns their grammar and refusals; what they do is the verbs' matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tagstream.api.engine.call import Call
from tagstream.api.engine.continue_token import decode_continue
from tagstream.api.engine.storage import DeleteOptions, ListQuery, WriteOptions
from tagstream.api.wire.decode import decode_delete_options
from tagstream.api.wire.field_errors import FieldError, forbidden_value, unsupported_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.selectors import parse_field_selector, parse_label_selector
from tagstream.api.wire.status import ApiError, bad_request, invalid

_PROPAGATIONS = ("Foreground", "Background", "Orphan")
_MATCHES = ("NotOlderThan", "Exact")
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_META_GROUP = "meta.k8s.io"


def parse_list_query(call: Call) -> ListQuery:
    """Selectors, limit and continue of a LIST. Raises 400."""
    query, kind = call.query, call.entry.kind
    namespace = call.target.namespace
    after, version = ("", ""), 0
    token = query.get("continue", "")
    if token:
        if query.get("resourceVersion", "") not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        after, version = decode_continue(token, namespace)
    supported = ("metadata.name", "metadata.namespace", *kind.selectable_fields)
    return ListQuery(
        parse_label_selector(query.get("labelSelector")),
        parse_field_selector(query.get("fieldSelector"), supported),
        parse_count(query, "limit"),
        after,
        version,
    )


def parse_list_version(call: Call) -> tuple[int, str]:
    """The version a LIST has to show (0: any) and how: "", NotOlderThan or Exact."""
    text, match = call.query.get("resourceVersion", ""), call.query.get("resourceVersionMatch", "")
    version = parse_version(text)
    if match:
        _check_match(call, match, text)
    if call.query.get("sendInitialEvents"):
        detail = "sendInitialEvents is forbidden for list"
        raise _invalid_options("ListOptions", forbidden_value("sendInitialEvents", detail))
    return version, match


def _check_match(call: Call, match: str, version: str) -> None:
    path = "resourceVersionMatch"
    if match not in _MATCHES:
        raise _invalid_options("ListOptions", unsupported_value(path, match, _MATCHES))
    if call.query.get("continue"):
        detail = "resourceVersionMatch is forbidden when continue is provided"
        raise _invalid_options("ListOptions", forbidden_value(path, detail))
    if not version:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise _invalid_options("ListOptions", forbidden_value(path, detail))
    if match == "Exact" and version == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise _invalid_options("ListOptions", forbidden_value(path, detail))


def parse_version(text: str) -> int:
    """A resourceVersion; empty is 0. Raises 400."""
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    raise bad_request(
        f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
        "invalid syntax"
    )


def parse_count(query: Mapping[str, str], name: str) -> int:
    """A number that is not negative; absent is 0. Raises 400."""
    text = query.get(name, "")
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise bad_request(f'{name}: Invalid value: "{text}": must be a number that is not negative')


def parse_write_options(call: Call, options_kind: str) -> WriteOptions:
    """dryRun and fieldManager. Raises 422; `options_kind` is for its text."""
    manager = call.query.get("fieldManager", "")
    return WriteOptions(_is_dry_run(call.query.get("dryRun", ""), options_kind), manager)


def _is_dry_run(text: str, options_kind: str) -> bool:
    if text not in ("", "All"):
        raise _invalid_options(options_kind, unsupported_value("dryRun", [text], ["All"]))
    return text == "All"


def parse_delete_options(call: Call) -> DeleteOptions:
    """The DeleteOptions in the body, or in the query where there is no body. Raises 400, 422."""
    if not call.body:
        query = call.query
        grace = query.get("gracePeriodSeconds")
        return DeleteOptions(
            _is_dry_run(query.get("dryRun", ""), "DeleteOptions"),
            propagation=_propagation(query.get("propagationPolicy")),
            grace_period_s=parse_count(query, "gracePeriodSeconds") if grace else None,
        )
    body = decode_delete_options(call.body, call.content_type)
    dry_run: Any = body.get("dryRun") or []
    preconditions = _object(body, "preconditions")
    grace_s = body.get("gracePeriodSeconds")
    if not isinstance(dry_run, list) or not (grace_s is None or type(grace_s) is int):
        raise bad_request("DeleteOptions: dryRun must be a list, gracePeriodSeconds a number")
    return DeleteOptions(
        any(_is_dry_run(str(value), "DeleteOptions") for value in dry_run)
        or _is_dry_run(call.query.get("dryRun", ""), "DeleteOptions"),
        str(preconditions.get("uid") or ""),
        str(preconditions.get("resourceVersion") or ""),
        _propagation(body.get("propagationPolicy") or _legacy_propagation(body)),
        grace_s,
    )


def _object(body: JsonObject, name: str) -> JsonObject:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise bad_request(f"DeleteOptions: {name} must be an object")
    return value


def _legacy_propagation(body: JsonObject) -> str:
    orphan = body.get("orphanDependents")
    if orphan is None:
        return ""
    return "Orphan" if orphan else "Background"


def _propagation(value: object) -> str:
    if not value:
        return ""
    if value not in _PROPAGATIONS:
        choices = [*_PROPAGATIONS, "nil"]
        raise _invalid_options(
            "DeleteOptions", unsupported_value("propagationPolicy", value, choices)
        )
    return str(value)


def parse_duration_s(text: str) -> float:
    """A Go duration (`32s`, `1m30s`) in seconds. Raises 400."""
    found = _DURATION.findall(text) if len(text) < 64 else []
    if text == "0":
        return 0.0
    if not found or "".join(number + unit for number, unit in found) != text:
        raise bad_request(
            f'invalid timeout specified in the request URL: invalid duration "{text}"'
        )
    return sum(float(number) * _UNITS_S[unit] for number, unit in found)


def _invalid_options(kind: str, error: FieldError) -> ApiError:
    return invalid(kind, _META_GROUP, "", [error])
