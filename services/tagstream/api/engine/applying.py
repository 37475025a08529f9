"""Server-side apply without field ownership: what is applied is merged, what is left out stays.

Enough for a first apply and for changing values; it never takes a field away and never reports a
conflict (docs/deviations.md). `build_app(apply=merge_applied)` turns it on.
"""

from __future__ import annotations

from tagstream.api.engine.call import Call, parse_flag
from tagstream.api.wire.field_errors import required_value
from tagstream.api.wire.json_types import JsonObject, copy_json
from tagstream.api.wire.patches import apply_strategic_merge_patch
from tagstream.api.wire.status import bad_request, invalid


def merge_applied(call: Call, current: JsonObject | None, applied: JsonObject) -> JsonObject:
    """The object that an apply asks for. Raises 400 and 422 for a request that is incomplete."""
    parse_flag(call.query, "force")
    if not call.query.get("fieldManager"):
        error = required_value("fieldManager", "is required for apply patch")
        raise invalid("PatchOptions", "meta.k8s.io", "", [error])
    _check_identity(call, applied)
    if current is None:
        new = copy_json(applied)
        new.setdefault("metadata", {}).setdefault("name", call.target.name)
        return new
    kind = call.entry.kind
    return apply_strategic_merge_patch(current, applied, group=kind.group, kind=kind.kind)


def _check_identity(call: Call, applied: JsonObject) -> None:
    kind = call.entry.kind
    if (applied.get("apiVersion"), applied.get("kind")) != (kind.api_version, kind.kind):
        raise bad_request(
            f"the applied object must have apiVersion {kind.api_version} and kind {kind.kind}"
        )
    metadata = applied.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
