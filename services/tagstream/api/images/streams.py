"""imagestreams: reading and writing whole streams (spec/image-api-and-import.md §1.4)."""

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
    stream_to_wire,
    with_spec_from_wire,
    with_status_from_wire,
)
from tagstream.api.images.deps import (
    ImageDeps,
    check_version,
    command_name,
    invalid_stream,
    load_needed_sources,
    new_uid,
    require_namespace,
    retried,
)
from tagstream.api.images.stream_reads import get_layers, get_secrets
from tagstream.api.images.tag_writes import wish_arguments
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import (
    already_exists,
    build_success,
    conflict,
    generic_not_found,
    not_found,
)
from tagstream.store.journal import load_head, transaction
from tagstream.store.stream_writes import create_stream, delete_stream, save_stream
from tagstream.store.streams import list_headers, load_header, load_stream, load_whole
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.problems import InvalidStream
from tagstream.streams.status_write import decide_status_update
from tagstream.streams.stream_commands import decide_deletion, decide_spec, is_released
from tagstream.streams.validation import validate_name

RESOURCE = "imagestreams"
_PAGE = 500


class ImageStreamStorage:
    """Whole streams. Their tags one by one are in stream_tags.py."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        async with self._deps.database.snapshot() as connection:
            stream = await load_stream(connection, namespace, name)
        if stream is None:
            raise not_found(RESOURCE, GROUP, name)
        return stream_to_wire(stream, self._deps.names)

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        """Filters stream by stream, so that a selective query loads only what it shows."""
        found: list[ImageStream] = []
        after = query.after
        async with self._deps.database.snapshot() as connection:
            version = query.at_version or await load_head(connection)
            wanted = query.limit + 1 if query.limit else 0
            while True:
                headers = await list_headers(connection, namespace, after, _PAGE)
                found += [h for h in headers if self._selects(query, h)]
                if len(headers) < _PAGE or (wanted and len(found) >= wanted):
                    break
                after = (headers[-1].namespace, headers[-1].name)
            page = found[: query.limit] if query.limit else found
            whole = await load_whole(connection, page)
        more = len(found) > len(page)
        last = (page[-1].namespace, page[-1].name) if more else None
        return ListPage([stream_to_wire(s, self._deps.names) for s in whole], version, last)

    def _selects(self, query: ListQuery, stream: ImageStream) -> bool:
        fields = {
            "metadata.name": stream.name,
            "metadata.namespace": stream.namespace,
            "spec.dockerImageRepository": stream.docker_image_repository,
        }
        if query.fields.required_value("status.dockerImageRepository") is not None:
            status = stream_to_wire(stream, self._deps.names)["status"]
            fields["status.dockerImageRepository"] = status["dockerImageRepository"]
        return query.labels.matches(stream.metadata.labels) and query.fields.matches(fields)

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"]["name"]
        _check_generate_name(name, wanted)
        blank = ImageStream(namespace, name, new_uid(ctx, name), ctx.second)
        asked = with_spec_from_wire(blank, wanted)
        command = ctx.command("imagestream.create", command_name(ctx), wish_arguments(blank, asked))
        deps = self._deps
        async with transaction(deps.database, command, dry_run=options.dry_run) as tx:
            await require_namespace(tx.connection, namespace, name)
            if await load_header(tx.connection, namespace, name) is not None:
                raise already_exists(RESOURCE, GROUP, name)
            sources = await load_needed_sources(deps, ctx, tx.connection, None, asked)
            try:
                stream = decide_spec(None, asked, sources, ctx.second, deps.names.internal).after
            except InvalidStream as error:
                raise invalid_stream(name, error) from error
            await create_stream(tx, stream, deps.names.internal)
        return stream_to_wire(replace(stream, version=tx.position), deps.names)

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
        stored = await retried(
            lambda: self._update(ctx, namespace, name, change, options, subresource)
        )
        return stream_to_wire(stored, self._deps.names), False

    async def _update(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        change: Changer,
        options: WriteOptions,
        subresource: str,
    ) -> ImageStream:
        deps = self._deps
        kind = "imagestream.status" if subresource == "status" else "imagestream.update"
        command = ctx.command(kind, command_name(ctx), {})
        async with transaction(deps.database, command, dry_run=options.dry_run) as tx:
            before = await load_stream(tx.connection, namespace, name, lock=True)
            if before is None:
                raise not_found(RESOURCE, GROUP, name)
            body = change(stream_to_wire(before, deps.names))
            check_version(RESOURCE, name, body, before.version, required=True)
            convert = with_status_from_wire if subresource == "status" else with_spec_from_wire
            wanted = convert(before, body)
            tx.say(wish_arguments(before, wanted))
            try:
                if subresource == "status":
                    after = decide_status_update(before, wanted)
                else:
                    sources = await load_needed_sources(deps, ctx, tx.connection, before, wanted)
                    internal = deps.names.internal
                    after = decide_spec(before, wanted, sources, ctx.second, internal).after
            except InvalidStream as error:
                raise invalid_stream(name, error) from error
            if is_released(after):
                await delete_stream(tx, before, deps.names.internal)
            else:
                await save_stream(tx, before, after, deps.names.internal)
        return replace(after, version=tx.position or before.version)

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        return await retried(lambda: self._delete(ctx, namespace, name, options))

    async def _delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        deps = self._deps
        arguments: JsonObject = {"namespace": namespace, "stream": name}
        command = ctx.command("imagestream.delete", command_name(ctx), arguments)
        async with transaction(deps.database, command, dry_run=options.dry_run) as tx:
            stream = await load_stream(tx.connection, namespace, name, lock=True)
            if stream is None:
                raise not_found(RESOURCE, GROUP, name)
            _check_preconditions(stream, options)
            marked = decide_deletion(stream, ctx.second)
            if marked is None:
                await delete_stream(tx, stream, deps.names.internal)
            else:
                await save_stream(tx, stream, marked, deps.names.internal)
        if marked is not None:
            version = tx.position or stream.version
            return stream_to_wire(replace(marked, version=version), deps.names)
        return build_success(resource=RESOURCE, group=GROUP, name=name, uid=stream.uid)

    async def get_subresource(
        self, ctx: RequestContext, namespace: str, name: str, subresource: str
    ) -> JsonObject:
        if subresource == "status":
            return await self.get(ctx, namespace, name)
        if subresource == "layers":
            return await get_layers(self._deps, namespace, name)
        if subresource == "secrets":
            return await get_secrets(self._deps, ctx, namespace)
        raise generic_not_found()

    async def create_subresource(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        subresource: str,
        wanted: JsonObject,
        options: WriteOptions,
    ) -> JsonObject:
        raise generic_not_found()


def _check_preconditions(stream: ImageStream, options: DeleteOptions) -> None:
    if options.uid and options.uid != stream.uid:
        cause = (
            f"Precondition failed: UID in precondition: {options.uid}, "
            f"UID in object meta: {stream.uid}"
        )
        raise conflict(RESOURCE, GROUP, stream.name, cause)
    if options.resource_version and options.resource_version != str(stream.version):
        cause = (
            f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
            f"ResourceVersion in object meta: {stream.version}"
        )
        raise conflict(RESOURCE, GROUP, stream.name, cause)


def _check_generate_name(name: str, wanted: JsonObject) -> None:
    """Held to the rule of names as it stands, so `app-` is refused although `app-x7k2p` is a good
    name: only a prefix that ends in a letter or digit generates names (as OpenShift)."""
    prefix = wanted["metadata"].get("generateName", "")
    problems = validate_name("", prefix, "metadata.generateName") if prefix else []
    if problems:
        raise invalid_stream(name, InvalidStream(problems))
