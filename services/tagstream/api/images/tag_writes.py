"""Storing one tag of a stream that may not exist yet: shared by imagestreamtags and imagetags."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import DeleteOptions
from tagstream.api.images.convert import GROUP
from tagstream.api.images.deps import (
    ImageDeps,
    command_name,
    invalid_stream,
    load_needed_sources,
    new_uid,
    require_namespace,
)
from tagstream.api.images.schedule_warning import record_schedule_warning
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import conflict, forbidden, not_found
from tagstream.store.journal import Transaction, transaction
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import load_stream, load_tags
from tagstream.streams.image_stream import ImageStream, TagReference
from tagstream.streams.problems import InvalidStream
from tagstream.streams.sources import followed_tag
from tagstream.streams.stream_commands import decide_spec, wish_to_json
from tagstream.streams.tags import with_tag, without_tag


@dataclass(frozen=True, slots=True)
class TagWrite:
    """An open write of one tag. `before` is the locked stream, None when it is still to be made;
    `blank` is what it would be made of."""

    deps: ImageDeps
    ctx: RequestContext
    tx: Transaction
    tag: str
    before: ImageStream | None
    blank: ImageStream


async def open_tag_write(
    deps: ImageDeps, ctx: RequestContext, tx: Transaction, namespace: str, stream: str, tag: str
) -> TagWrite:
    """Locks the stream with the tag and its followers. Raises 404 or 403 for its namespace when
    the stream has to be made."""
    before = await load_stream(tx.connection, namespace, stream, tags=[tag], lock=True)
    if before is None:
        await require_namespace(tx.connection, namespace, stream)
    blank = ImageStream(namespace, stream, new_uid(ctx, stream), ctx.second)
    return TagWrite(deps, ctx, tx, tag, before, blank)


async def require_create_right(write: TagWrite, resource: str, name: str) -> None:
    """A PUT that makes the stream needs the right to create, too (§9.3)."""
    user = write.ctx.user
    namespace = write.blank.namespace
    allowed, _ = await write.deps.access.allowed(
        user, "create", GROUP, resource, "", namespace, name
    )
    if not allowed:
        cause = (
            f'User "{user.name}" cannot create resource "{resource}" in API group "{GROUP}" '
            f'in the namespace "{namespace}"'
        )
        raise forbidden(resource, GROUP, name, cause)


async def write_tag(write: TagWrite, ref: TagReference | None) -> ImageStream:
    """Stores the tag reference; None leaves the tag unset, which may still make the stream."""
    base = write.before or write.blank
    if write.before is not None and ref is not None:
        followed = followed_tag(base.namespace, base.name, ref)
        if followed is not None and followed not in base.spec_tags:
            tags = [write.tag, followed]
            base = await load_tags(write.tx.connection, write.before, tags)
            write = replace(write, before=base)
    return await write_stream(write, with_tag(base, ref) if ref is not None else base)


async def write_stream(write: TagWrite, wanted: ImageStream) -> ImageStream:
    """Stores what is wanted of the loaded tags."""
    tx, names, now = write.tx, write.deps.names, write.ctx.second
    before = write.before
    sources = await load_needed_sources(write.deps, write.ctx, tx.connection, before, wanted)
    tx.say(wish_arguments(before or write.blank, wanted, write.tag))
    try:
        written = decide_spec(before, wanted, sources, now, names.internal, tag=write.tag)
    except InvalidStream as error:
        raise invalid_stream(wanted.name, error) from error
    if before is None:
        await create_stream(tx, written.after, names.internal)
        return written.after
    await record_schedule_warning(tx, written, now)
    await save_stream(tx, before, written.after, names.internal)
    return written.after


def wish_arguments(before: ImageStream, wanted: ImageStream, tag: str = "") -> JsonObject:
    """The arguments of a command that writes a spec: enough to decide it again."""
    return {
        "namespace": wanted.namespace,
        "stream": wanted.name,
        "uid": wanted.uid,
        "tag": tag,
        "wish": wish_to_json(before, wanted),
    }


async def delete_tag(
    deps: ImageDeps,
    ctx: RequestContext,
    namespace: str,
    stream: str,
    tag: str,
    options: DeleteOptions,
    resource: str,
) -> None:
    """Removes a tag's reference and history; the stream stays, even empty (§3.9)."""
    name = f"{stream}:{tag}"
    command = ctx.command("imagestreamtag.delete", command_name(ctx), {})
    async with transaction(deps.database, command, dry_run=options.dry_run) as tx:
        before = await load_stream(
            tx.connection, namespace, stream, tags=[tag], lock=True, whole_history=True
        )
        if before is None:
            raise not_found("imagestreams", GROUP, stream)
        if options.uid and options.uid != before.uid:
            raise conflict(resource, GROUP, name, "the UID precondition was not met")
        wanted = without_tag(before, tag)
        if wanted is None:
            raise not_found(resource, GROUP, name)
        try:
            written = decide_spec(before, wanted, {}, ctx.second, deps.names.internal, tag=tag)
        except InvalidStream as error:
            raise invalid_stream(stream, error) from error
        tx.say(wish_arguments(before, wanted, tag))
        await save_stream(tx, before, written.after, deps.names.internal)
