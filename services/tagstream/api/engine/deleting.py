"""DELETE of one object and of a collection."""

from __future__ import annotations

import uuid
from dataclasses import replace

from tagstream.api.engine.call import LIST_SHAPES, ONE_SHAPES, Answer, Call
from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.options import parse_delete_options, parse_list_query
from tagstream.api.engine.reading import list_metadata
from tagstream.api.engine.representing import answer_with, include_object, shape_list, shape_one
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError


async def on_delete(call: Call) -> Answer:
    """One object: a Status of success, or the object that now awaits its finalizers."""
    shape = call.representation(ONE_SHAPES)
    include_object(call)
    options = parse_delete_options(call)
    target = call.target
    left = await call.entry.storage.delete(call.ctx, target.namespace, target.name, options)
    return answer_with(call, shape_one(call, left, shape), shape)


async def on_delete_collection(call: Call) -> Answer:
    """Every selected object, each in its own transaction; the list of what was deleted.

    Objects that go away meanwhile are left out.
    """
    shape = call.representation(LIST_SHAPES)
    include_object(call)
    options = parse_delete_options(call)
    page = await call.entry.storage.list(call.ctx, call.target.namespace, parse_list_query(call))
    deleted: list[JsonObject] = []
    for item in page.items:
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        ctx = derive_context(call.ctx, f"{namespace}/{name}")
        try:
            await call.entry.storage.delete(ctx, namespace, name, options)
        except ApiError as error:
            if error.code != 404:
                raise
            continue
        deleted.append(item)
    metadata = list_metadata(page, call.target.namespace)
    return answer_with(call, shape_list(call, deleted, metadata, shape), shape)


def derive_context(ctx: RequestContext, part: str) -> RequestContext:
    """The context of one of several commands that a request gives: its own, derived id."""
    return replace(ctx, id=str(uuid.uuid5(uuid.UUID(ctx.id), part)))
