"""Server-side apply, in its first form: what is applied is merged in, the last writer wins.

Field ownership is not kept yet, so a field that a manager no longer applies stays
(docs/deviations.md, "Server-side apply").
"""

from __future__ import annotations

from tagstream.api.engine.call import Call
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.patches import apply_strategic_merge_patch
from tagstream.api.wire.status import bad_request


def apply_patch(call: Call, current: JsonObject | None, applied: JsonObject) -> JsonObject:
    """The object wanted: `applied` itself where there is none, else merged into what is there."""
    if not call.query.get("fieldManager"):
        raise bad_request(
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch"
        )
    if (applied.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if current is None:
        return applied
    kind = call.entry.kind
    return apply_strategic_merge_patch(current, applied, group=kind.group, kind=kind.kind)
