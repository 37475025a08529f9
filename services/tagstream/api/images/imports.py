"""imagestreamimports: fetch now, and answer what came of it (spec/image-api-and-import.md §6).

An importer is asked before the transaction is opened; the stream must then still be the one that
was read, or the caller is told to try again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import WriteOptions
from tagstream.api.images.convert import API_VERSION, GROUP, stream_to_wire
from tagstream.api.images.deps import (
    ImageDeps,
    command_name,
    invalid_stream,
    new_uid,
    require_namespace,
)
from tagstream.api.images.import_requests import (
    ImportDefaults,
    build_request,
    validate_import,
    with_defaults,
)
from tagstream.api.images.import_statuses import Storing, answer_image, answer_repository
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import conflict, not_found
from tagstream.store.images import load_cached_images, load_images, store_images
from tagstream.store.journal import Command, transaction
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_request import (
    FetchedImage,
    ImportResult,
    digests_named_by,
)
from tagstream.streams.import_results import requested_images, requested_tag_imports
from tagstream.streams.imports import decide_import
from tagstream.streams.json_form import format_time
from tagstream.streams.problems import InvalidStream

_DETAIL_KIND = "imagestream"
# What is kept back of the request's deadline for storing the result and answering.
_RESERVE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Import:
    ctx: RequestContext
    namespace: str
    name: str
    asked: ImportDefaults
    wanted: JsonObject


class ImageStreamImportStorage:
    """Create only; nothing of the import itself is kept."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"]["name"]
        asked = with_defaults(wanted)
        validate_import(namespace, name, asked)
        one = _Import(ctx, namespace, name, asked, wanted)
        before = await self._load(one)
        answer = await self._fetch(one, before)
        contents = await self._contents(answer)
        result = ImportResult.from_json(answer, contents)
        if asked.is_dry_run or options.dry_run:
            return _answer(one, result, None)
        stored, storing = await self._store(one, before, result)
        body = _answer(one, result, storing)
        status = {"import": _embedded(stream_to_wire(stored, self._deps.names)), **body["status"]}
        return {**body, "status": status}

    async def _load(self, one: _Import) -> ImageStream | None:
        """The stream as it is now, with the target tags. Raises when the request named another
        version or another stream than there is."""
        async with self._deps.database.connection() as connection:
            if not one.asked.is_dry_run:
                await require_namespace(connection, one.namespace, one.name)
        async with self._deps.database.snapshot() as connection:
            tags = None if one.asked.repository is not None else one.asked.target_tags
            before = await load_stream(connection, one.namespace, one.name, tags=tags)
        metadata = one.wanted.get("metadata") or {}
        version, uid = metadata.get("resourceVersion") or "", metadata.get("uid") or ""
        if before is None:
            if version or uid:
                raise not_found("imagestreams", GROUP, one.name)
            return None
        if version and version != str(before.version):
            cause = f'the image stream was updated from "{version}" to "{before.version}"'
            raise conflict(_DETAIL_KIND, GROUP, one.name, cause)
        if uid and uid != before.uid:
            raise not_found(_DETAIL_KIND, GROUP, one.name)
        return before

    async def _fetch(self, one: _Import, before: ImageStream | None) -> Mapping[str, object]:
        request = build_request(
            one.asked,
            before,
            one.namespace,
            one.name,
            max_tags=self._deps.max_bulk_tags,
            deadline_s=math.ceil(max(one.ctx.deadline_s - _RESERVE_S, 1.0)),
        )
        return await self._deps.fetcher.fetch(request, traceparent=one.ctx.traceparent)

    async def _contents(self, answer: Mapping[str, object]) -> dict[str, FetchedImage]:
        async with self._deps.database.connection() as connection:
            cached = await load_cached_images(connection, digests_named_by(answer))
        return {
            digest: FetchedImage(digest, cast(Any, image.body), image.manifest, image.config)
            for digest, image in cached.items()
        }

    async def _store(
        self, one: _Import, before: ImageStream | None, result: ImportResult
    ) -> tuple[ImageStream, Storing]:
        deps, ctx = self._deps, one.ctx
        imports = requested_tag_imports(one.asked.spec, result)
        tags = [i.tag for i in imports]
        async with transaction(deps.database, _command(one, result)) as tx:
            current = await load_stream(
                tx.connection, one.namespace, one.name, tags=tags, lock=True
            )
            _require_unchanged(one, before, current)
            added = await store_images(
                tx, {d: i.body for d, i in requested_images(one.asked.spec, result).items()}
            )
            base = current or ImageStream(
                one.namespace, one.name, new_uid(ctx, one.name), ctx.second
            )
            try:
                after = decide_import(base, imports, ctx.second, deps.names.internal)
            except InvalidStream as error:
                raise invalid_stream(one.name, error) from error
            if current is None:
                await require_namespace(tx.connection, one.namespace, one.name)
                await create_stream(tx, after, deps.names.internal)
            elif after is not current:
                await save_stream(tx, current, after, deps.names.internal)
        async with deps.database.snapshot() as connection:
            stored = await load_stream(connection, one.namespace, one.name)
            images = await load_images(connection, [change.name for change in added])
        versions = {digest: image.version for digest, image in images.items()}
        storing = Storing(ctx.second, versions, lambda digest: new_uid(ctx, digest))
        return stored or replace(after, version=tx.position), storing


def _command(one: _Import, result: ImportResult) -> Command:
    return one.ctx.command(
        "imagestreamimport.create",
        f"{command_name(one.ctx)} import",
        {
            "namespace": one.namespace,
            "stream": one.name,
            "spec": one.asked.spec,
            "result": result.to_json(),
        },
    )


def _require_unchanged(
    one: _Import, before: ImageStream | None, current: ImageStream | None
) -> None:
    """What was read before the registry was asked must still be there, or gone for good."""
    if before is None and current is None:
        return
    if before is None or current is None or before.version != current.version:
        old = before.version if before is not None else ""
        new = current.version if current is not None else ""
        cause = f'the image stream was updated from "{old}" to "{new}"'
        raise conflict(_DETAIL_KIND, GROUP, one.name, cause)


def _answer(one: _Import, result: ImportResult, storing: Storing | None) -> JsonObject:
    status: JsonObject = {}
    if one.asked.images:
        status["images"] = [
            answer_image(found, image, storing if image.get("to") else None)
            for image, found in zip(one.asked.images, result.images, strict=True)
        ]
    if one.asked.repository is not None and result.repository is not None:
        status["repository"] = answer_repository(result.repository, one.asked.repository, storing)
    metadata: JsonObject = {"name": one.name, "namespace": one.namespace}
    for key in ("labels", "annotations", "resourceVersion"):
        if value := (one.wanted.get("metadata") or {}).get(key):
            metadata[key] = value
    metadata["uid"] = new_uid(one.ctx, f"import {one.name}")
    metadata["creationTimestamp"] = format_time(one.ctx.second)
    return {
        "kind": "ImageStreamImport",
        "apiVersion": API_VERSION,
        "metadata": metadata,
        "spec": one.asked.spec,
        "status": status,
    }


def _embedded(stream: JsonObject) -> JsonObject:
    return {k: v for k, v in stream.items() if k not in ("kind", "apiVersion")}
