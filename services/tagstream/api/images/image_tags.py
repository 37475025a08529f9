"""imagetags: a tag with both halves, wish and history (spec/image-api-and-import.md §1.8)."""

from __future__ import annotations

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import (
    Changer,
    DeleteOptions,
    ListPage,
    ListQuery,
    WriteOptions,
)
from tagstream.api.images.convert import (
    API_VERSION,
    GROUP,
    history_to_wire,
    image_to_wire,
    stream_metadata_to_wire,
    tag_reference_from_wire,
    view_pull_spec,
)
from tagstream.api.images.deps import (
    ImageDeps,
    check_version,
    command_name,
    retried,
    to_field_error,
)
from tagstream.api.images.stream_tags import split_name
from tagstream.api.images.tag_writes import (
    delete_tag,
    open_tag_write,
    require_create_right,
    write_stream,
    write_tag,
)
from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import already_exists, build_success, invalid, not_found
from tagstream.store.database import Connection
from tagstream.store.journal import transaction
from tagstream.store.streams import list_headers, load_header, load_tags, load_whole
from tagstream.store.tag_views import load_tag_view
from tagstream.streams.image_stream import ImageStream, TagReference
from tagstream.streams.json_form import reference_to_json
from tagstream.streams.tags import without_reference
from tagstream.streams.validation import validate_tag

RESOURCE = "imagetags"
_EVERYTHING = 1_000_000_000


class ImageTagStorage:
    """One tag, wanted or seen, as an object of its own."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        stream, tag = split_name(name, "ImageTags")
        async with self._deps.database.snapshot() as connection:
            body = await self._load(connection, namespace, stream, tag)
        if body is None:
            raise not_found(RESOURCE, GROUP, name)
        return body

    async def _load(
        self, connection: Connection, namespace: str, stream: str, tag: str
    ) -> JsonObject | None:
        header = await load_header(connection, namespace, stream)
        if header is None:
            raise not_found("imagestreams", GROUP, stream)
        whole = await load_tags(connection, header, [tag], whole_history=True)
        if tag not in whole.spec_tags and tag not in whole.status_tags:
            return None
        body = _to_wire(whole, tag)
        view = await load_tag_view(connection, namespace, stream, tag)
        if view is not None and view.image is not None:
            image = image_to_wire(view.image, embedded=True)
            image["dockerImageReference"] = view_pull_spec(view, self._deps.names)
            body["image"] = image
        return body

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        async with self._deps.database.snapshot() as connection:
            headers = await list_headers(connection, namespace, ("", ""), _EVERYTHING)
            chosen = [h for h in headers if query.labels.matches(h.metadata.labels)]
            streams = await load_whole(connection, chosen)
        found = [
            _to_wire(stream, tag)
            for stream in streams
            for tag in sorted(stream.spec_tags.keys() | stream.status_tags.keys())
            if query.fields.matches(
                {
                    "metadata.name": f"{stream.name}:{tag}",
                    "metadata.namespace": stream.namespace,
                }
            )
        ]
        rest = [o for o in found if _key(o) > query.after]
        page = rest[: query.limit] if query.limit else rest
        return ListPage(page, 0, _key(page[-1]) if len(rest) > len(page) else None)

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"]["name"]
        stream, tag = split_name(name, "ImageTags")
        ref = _reference(name, tag, wanted)
        if ref is None:
            detail = "spec is a required field during creation"
            raise invalid("ImageTag", GROUP, name, [required_value("spec", detail)])
        command = ctx.command("imagetag.create", command_name(ctx), {})

        async def write() -> tuple[JsonObject | None, int]:
            async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
                opened = await open_tag_write(self._deps, ctx, tx, namespace, stream, tag)
                if opened.before is not None and tag in opened.before.spec_tags:
                    raise already_exists(RESOURCE, GROUP, name)
                await write_tag(opened, ref)
                body = await self._load(tx.connection, namespace, stream, tag)
            return body, tx.position

        return _stamped(*await retried(write))

    async def update(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        change: Changer,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[JsonObject, bool]:
        stream, tag = split_name(name, "ImageTags")
        command = ctx.command("imagetag.put", command_name(ctx), {})

        async def write() -> tuple[JsonObject, bool]:
            async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
                opened = await open_tag_write(self._deps, ctx, tx, namespace, stream, tag)
                current = None
                if opened.before is None:
                    await require_create_right(opened, RESOURCE, name)
                else:
                    current = await self._load(tx.connection, namespace, stream, tag)
                body = change(current)
                if opened.before is not None:
                    check_version(RESOURCE, name, body, opened.before.version, required=False)
                _check_immutable(name, current, body)
                ref = _reference(name, tag, body)
                if ref is None and opened.before is not None:
                    await write_stream(opened, without_reference(opened.before, tag))
                else:
                    await write_tag(opened, ref)
                stored = await self._load(tx.connection, namespace, stream, tag)
            version = tx.position or (opened.before.version if opened.before else 0)
            return _stamped(stored or body, version), current is None

        return await retried(write)

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        stream, tag = split_name(name, "ImageTags")
        await retried(
            lambda: delete_tag(self._deps, ctx, namespace, stream, tag, options, RESOURCE)
        )
        return build_success()


def _key(body: JsonObject) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _to_wire(stream: ImageStream, tag: str) -> JsonObject:
    ref, history = stream.spec_tags.get(tag), stream.status_tags.get(tag)
    return {
        "kind": "ImageTag",
        "apiVersion": API_VERSION,
        "metadata": stream_metadata_to_wire(stream, f"{stream.name}:{tag}"),
        "spec": reference_to_json(ref) if ref is not None else None,
        "status": history_to_wire(history) if history is not None else None,
        "image": None,
    }


def _stamped(body: JsonObject | None, version: int) -> JsonObject:
    stamped: JsonObject = dict(body or {})
    if version:
        stamped["metadata"] = {**stamped["metadata"], "resourceVersion": str(version)}
    return stamped


def _reference(name: str, tag: str, body: JsonObject) -> TagReference | None:
    spec = body.get("spec")
    if spec is None:
        return None
    if spec.get("name") not in (None, "", tag):
        error = invalid_value("spec.name", spec["name"], "must match image tag name")
        raise invalid("ImageTag", GROUP, name, [error])
    ref = tag_reference_from_wire(spec, tag)
    problems: list[FieldError] = []
    if ref is not None:
        problems = [to_field_error(name, p) for p in validate_tag(ref, "spec")]
    if problems:
        raise invalid("ImageTag", GROUP, name, problems)
    return ref


def _check_immutable(name: str, current: JsonObject | None, body: JsonObject) -> None:
    if current is None:
        return
    old, new = current["metadata"], body.get("metadata") or {}
    changed = [
        field
        for field in ("labels", "annotations", "finalizers", "ownerReferences")
        if field in new and (new[field] or None) != (old.get(field) or None)
    ]
    if changed or (body.get("status") is not None and body["status"] != current["status"]):
        detail = "may not update fields other than spec"
        raise invalid("ImageTag", GROUP, name, [invalid_value("metadata", "", detail)])
