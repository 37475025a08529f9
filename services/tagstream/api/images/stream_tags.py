"""imagestreamtags: what `oc tag` writes and everybody reads (spec/image-api-and-import.md §1.7,
§3.9). A write loads and stores the tag and its followers, never the whole stream."""

from __future__ import annotations

from dataclasses import replace

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import (
    Changer,
    DeleteOptions,
    ListPage,
    ListQuery,
    WriteOptions,
)
from tagstream.api.images.convert import (
    GROUP,
    tag_reference_from_wire,
    view_to_istag,
)
from tagstream.api.images.deps import ImageDeps, command_name, retried, to_field_error
from tagstream.api.images.tag_reader import TagReader
from tagstream.api.images.tag_writes import (
    TagWrite,
    delete_tag,
    open_tag_write,
    require_create_right,
    write_tag,
)
from tagstream.api.wire.field_errors import invalid_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import (
    ApiError,
    already_exists,
    bad_request,
    build_success,
    conflict,
    invalid,
    not_found,
)
from tagstream.images.reference import split_stream_tag
from tagstream.store.journal import Transaction, transaction
from tagstream.store.tag_views import TagView, list_tag_views, load_tag_of
from tagstream.streams.image_stream import ImageStream, TagReference
from tagstream.streams.validation import validate_tag

RESOURCE = "imagestreamtags"
_EVERYTHING = 1_000_000_000


def split_name(name: str, what: str = "ImageStreamTags") -> tuple[str, str]:
    """Stream and tag of a resource name; raises 400."""
    parts = split_stream_tag(name)
    if parts is None:
        raise bad_request(f"{what} must be retrieved with <name>:<tag>")
    return parts


class ImageStreamTagStorage:
    """One tag as an object of its own."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps
        self._reader = TagReader(deps.database)

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        stream, tag = split_name(name)
        view = await self._reader.load((namespace, stream, tag))
        if view is None:
            raise not_found("imagestreams", GROUP, stream)
        if view.head is None or not view.head.image:
            raise not_found(RESOURCE, GROUP, name)
        if view.image is None:
            raise not_found("images", GROUP, view.head.image)
        return view_to_istag(view, self._deps.names)

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        space, last = query.after
        stream, _, tag = last.partition(":")
        limit = _EVERYTHING
        if query.limit and not (query.labels.requirements or query.fields.terms):
            limit = query.limit + 1
        async with self._deps.database.connection() as connection:
            views = await list_tag_views(
                connection,
                namespace,
                after=(space, stream, tag),
                with_image=True,
                limit=limit,
            )
        found = [view for view in views if _selects(query, view)]
        page = found[: query.limit] if query.limit else found
        more = (page[-1].namespace, page[-1].name) if len(found) > len(page) else None
        return ListPage([view_to_istag(view, self._deps.names) for view in page], 0, more)

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"]["name"]
        stream_name, tag = split_name(name)
        ref = tag_reference_from_wire(wanted.get("tag"), tag)
        _check_annotations(name, wanted)
        _check_reference(name, ref)

        command = ctx.command("imagestreamtag.create", command_name(ctx), {})

        async def write() -> TagView:
            async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
                opened = await open_tag_write(self._deps, ctx, tx, namespace, stream_name, tag)
                if opened.before is not None and tag in opened.before.spec_tags:
                    raise already_exists("imagestreamtag", GROUP, name)
                after = await write_tag(opened, ref)
                view = await load_tag_of(tx.connection, after, tag)
            return _stamped(view, tx)

        return view_to_istag(await retried(write), self._deps.names)

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
        view, created = await retried(lambda: self._update(ctx, namespace, name, change, options))
        return view_to_istag(view, self._deps.names), created

    async def _update(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        change: Changer,
        options: WriteOptions,
    ) -> tuple[TagView, bool]:
        stream_name, tag = split_name(name)
        command = ctx.command("imagestreamtag.put", command_name(ctx), {})
        async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
            write = await open_tag_write(self._deps, ctx, tx, namespace, stream_name, tag)
            current = await self._current(write)
            body = change(current)
            await _check_update(write, name, current, body)
            ref = _wanted_reference(write.before, namespace, stream_name, tag, body)
            created = write.before is None or tag not in write.before.spec_tags
            after = await write_tag(write, ref)
            # Not after the commit: watchers are served from then on, and may take the loop.
            view = await load_tag_of(tx.connection, after, tag)
        return _stamped(view, tx), created

    async def _current(self, write: TagWrite) -> JsonObject | None:
        if write.before is None:
            return None
        view = await load_tag_of(write.tx.connection, write.before, write.tag)
        if view.reference_body is None and view.head is None:
            return None
        return view_to_istag(view, self._deps.names)

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        stream, tag = split_name(name)
        await retried(
            lambda: delete_tag(self._deps, ctx, namespace, stream, tag, options, RESOURCE)
        )
        return build_success()


def _stamped(view: TagView, tx: Transaction) -> TagView:
    """The journal stamps the version after the view was made, as the transaction's last act."""
    return replace(view, version=tx.position or view.version)


def _selects(query: ListQuery, view: TagView) -> bool:
    fields = {"metadata.name": view.name, "metadata.namespace": view.namespace}
    return query.labels.matches(view.labels) and query.fields.matches(fields)


async def _check_update(
    write: TagWrite, name: str, current: JsonObject | None, body: JsonObject
) -> None:
    version = (body.get("metadata") or {}).get("resourceVersion") or ""
    if write.before is None:
        if version:
            raise not_found(RESOURCE, GROUP, name)
        await require_create_right(write, RESOURCE, name)
    elif version and version != str(write.before.version):
        cause = f"another caller has updated the resource version to {write.before.version}"
        raise conflict(RESOURCE, GROUP, name, cause)
    _check_reference(name, tag_reference_from_wire(body.get("tag"), split_name(name)[1]))
    if current is not None:
        _check_immutable(name, current, body)


def _wanted_reference(
    before: ImageStream | None, namespace: str, stream: str, tag: str, body: JsonObject
) -> TagReference:
    """The tag reference of a PUT: that of the body, or the stored one, always with the body's
    annotations, none included (§3.9)."""
    ref = tag_reference_from_wire(body.get("tag"), tag)
    if ref is None:
        stored = before.spec_tags.get(tag) if before is not None else None
        if stored is None:
            raise bad_request(
                f"imagestreamtag {tag} is not a spec tag in imagestream {namespace}/{stream}, "
                "cannot be updated"
            )
        ref = stored
    annotations = (body.get("metadata") or {}).get("annotations") or None
    return replace(ref, annotations=annotations)


def _check_reference(name: str, ref: TagReference | None) -> None:
    problems = validate_tag(ref, "tag") if ref is not None else []
    if problems:
        raise invalid("ImageStreamTag", GROUP, name, [to_field_error(name, p) for p in problems])


def _check_annotations(name: str, wanted: JsonObject) -> None:
    given = (wanted.get("tag") or {}).get("annotations")
    own = (wanted.get("metadata") or {}).get("annotations") or {}
    if given and given != own:
        detail = (
            "tag annotations must not be provided or must be equal to the object meta annotations"
        )
        raise invalid(
            "ImageStreamTag", GROUP, name, [invalid_value("tag.annotations", given, detail)]
        )


def _check_immutable(name: str, current: JsonObject, body: JsonObject) -> None:
    old, new = current["metadata"], body.get("metadata") or {}
    for key in ("labels", "finalizers", "ownerReferences"):
        if new.get(key) and new.get(key) != old.get(key):
            raise _may_not_update(name)


def _may_not_update(name: str) -> ApiError:
    detail = "may not update fields other than metadata.annotations"
    return invalid("ImageStreamTag", GROUP, name, [invalid_value("metadata", "", detail)])
