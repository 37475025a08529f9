"""A recorded request, made again: of the same user, with the same id and at the same time, through
the api's own storages, but to a stream that may be in another state by now."""

from __future__ import annotations

from typing import cast

from fakes.service_world import Api
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.storage import DeleteOptions, WriteOptions
from tagstream.api.wire.json_types import JsonObject
from tagstream.replay.recording import Entry, Json

WRITE, DELETE = WriteOptions(), DeleteOptions()


async def request_again(api: Api, entry: Entry) -> None:
    """Raises what the api raises."""
    agent = entry.cause.partition(" ")[0]
    ctx = RequestContext(User(entry.actor), entry.at, entry.id, agent)
    if entry.kind.startswith("resource."):
        await _request_resource(api, ctx, entry)
    elif entry.kind.startswith("imagestreamtag."):
        await _request_tag(api, ctx, entry)
    else:
        await _request_stream(api, ctx, entry)


async def _request_resource(api: Api, ctx: RequestContext, entry: Entry) -> None:
    (change,) = entry.changes
    storage = {"namespaces": api.namespaces, "triggerpauses": api.pauses}[change["resource"]]
    name = change["name"]
    if entry.kind == "resource.delete":
        await storage.delete(ctx, "", name, DELETE)
    else:
        await storage.create(ctx, "", {"metadata": {"name": name}}, WRITE)


async def _request_tag(api: Api, ctx: RequestContext, entry: Entry) -> None:
    arguments = entry.arguments
    tag = arguments["tag"]
    place = arguments["namespace"], f"{arguments['stream']}:{tag}"
    if entry.kind == "imagestreamtag.delete":
        await api.tags.delete(ctx, *place, DELETE)
        return
    wanted = arguments["wish"]["spec"][tag][1]
    body = {"metadata": {"annotations": wanted.get("annotations")}, "tag": dict(wanted)}
    await api.tags.update(ctx, *place, lambda _: body, WRITE)


async def _request_stream(api: Api, ctx: RequestContext, entry: Entry) -> None:
    arguments = entry.arguments
    namespace, name = arguments["namespace"], arguments["stream"]
    match entry.kind:
        case "imagestream.create":
            await api.streams.create(ctx, namespace, _wanted({}, name, arguments["wish"]), WRITE)
        case "imagestream.update":
            await api.streams.update(
                ctx, namespace, name, lambda now: _wanted(now or {}, name, arguments["wish"]), WRITE
            )
        case "imagestream.delete":
            await api.streams.delete(ctx, namespace, name, DELETE)
        case "imagestreammapping.create":
            image = {**arguments["image"]}
            image["metadata"] = {**image.get("metadata", {}), "name": arguments["digest"]}
            body = {"metadata": {"name": name}, "tag": arguments["tag"], "image": image}
            await api.mappings.create(ctx, namespace, body, WRITE)
        case "imagestreamimport.create":
            body = {"metadata": {"name": name}, "spec": dict(arguments["spec"])}
            await api.imports.create(ctx, namespace, body, WRITE)
        case other:
            raise AssertionError(f"nothing is known here of {other}")


def _wanted(now: JsonObject, name: str, wish: Json) -> JsonObject:
    """The stream as it is now with what the recorded request changed in it."""
    spec = now.get("spec") or {}
    tags = {ref["name"]: ref for ref in spec.get("tags") or ()}
    for tag, (_, after) in wish["spec"].items():
        tags.pop(tag, None)
        if after is not None:
            tags[tag] = after
    wanted = {**spec, "tags": list(tags.values())}
    before = wish["before"]
    after = wish.get("after", before)
    if after["lookupLocal"] != before["lookupLocal"]:
        wanted["lookupPolicy"] = {"local": after["lookupLocal"]}
    if after["repository"] != before["repository"]:
        wanted["dockerImageRepository"] = after["repository"]
    metadata = {**(now.get("metadata") or {}), "name": name}
    for key in ("labels", "annotations"):
        metadata[key] = _merged(metadata.get(key), before["metadata"], after["metadata"], key)
    return cast(JsonObject, {**now, "metadata": metadata, "spec": wanted})


def _merged(now: Json | None, before: Json, after: Json, key: str) -> dict[str, object]:
    old, new = before.get(key) or {}, after.get(key) or {}
    kept = {k: v for k, v in (now or {}).items() if k not in old or k in new}
    return {**kept, **{k: v for k, v in new.items() if old.get(k) != v}}
