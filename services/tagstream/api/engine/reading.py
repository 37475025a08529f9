"""GET and LIST."""

from __future__ import annotations

from tagstream.api.engine.call import LIST_SHAPES, ONE_SHAPES, Answer, Call
from tagstream.api.engine.continue_token import encode_continue
from tagstream.api.engine.options import parse_list_query, parse_list_version
from tagstream.api.engine.representing import answer_with, shape_list, shape_one
from tagstream.api.engine.storage import ListPage
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError, expired


async def on_get(call: Call) -> Answer:
    """One object, or what its subresource shows."""
    shape = call.representation(ONE_SHAPES)
    target, storage = call.target, call.entry.storage
    if target.subresource:
        item = await storage.get_subresource(
            call.ctx, target.namespace, target.name, target.subresource
        )
    else:
        item = await storage.get(call.ctx, target.namespace, target.name)
    return answer_with(call, shape_one(call, item, shape), shape)


async def on_list(call: Call) -> Answer:
    """One page of the objects that the selectors let through."""
    shape = call.representation(LIST_SHAPES)
    version, match = parse_list_version(call)
    page = await call.entry.storage.list(call.ctx, call.target.namespace, parse_list_query(call))
    instead: JsonObject | None = getattr(page, "status", None)
    if instead is not None:
        # Some lists of OpenShift only say whether one may create (projectrequests).
        return answer_with(call, instead, shape)
    _check_version(page, version, match)
    metadata = list_metadata(page, call.target.namespace)
    return answer_with(call, shape_list(call, page.items, metadata, shape), shape)


def list_metadata(page: ListPage, namespace: str) -> JsonObject:
    """The ListMeta of a page."""
    metadata: JsonObject = {}
    if page.version:
        metadata["resourceVersion"] = str(page.version)
    if page.next_after is not None:
        metadata["continue"] = encode_continue(page.next_after, page.version, namespace)
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return metadata


def _check_version(page: ListPage, version: int, match: str) -> None:
    """We show the newest state only: an exact older one is gone, a newer one is not there yet."""
    if not version or not page.version:
        return
    if version > page.version:
        raise too_new(version, page.version)
    if match == "Exact" and version != page.version:
        raise expired("The resourceVersion for the provided list is too old.")


def too_new(version: int, current: int) -> ApiError:
    """504: the client has seen a version that this server has not (spec of Kubernetes' cache)."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {version}, current: {current}",
        {"causes": [cause], "retryAfterSeconds": 1},
    )
