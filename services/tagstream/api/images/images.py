"""images: what a digest is, for those who may see the whole cluster (spec §1.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import (
    Changer,
    DeleteOptions,
    ListPage,
    ListQuery,
    WriteOptions,
)
from tagstream.api.images.convert import GROUP, image_to_wire
from tagstream.api.images.deps import ImageDeps, check_version, command_name, retried
from tagstream.api.images.image_bodies import body_from_wire, updated_body
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import already_exists, build_success, conflict, not_found
from tagstream.store.images import (
    StoredImage,
    delete_image,
    list_images,
    load_images,
    lock_image,
    store_images,
    update_image,
)
from tagstream.store.journal import load_head, transaction

RESOURCE = "images"
_PAGE = 500


class ImageStorage:
    """Images by digest. Their content never changes; labels and annotations may."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        async with self._deps.database.connection() as connection:
            found = await load_images(connection, [name])
        if name not in found:
            raise not_found(RESOURCE, GROUP, name)
        return image_to_wire(found[name])

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        found: list[StoredImage] = []
        after = query.after[1]
        async with self._deps.database.snapshot() as connection:
            version = query.at_version or await load_head(connection)
            while True:
                batch = await list_images(connection, after, _PAGE)
                found += [image for image in batch if _selects(query, image)]
                if len(batch) < _PAGE or (query.limit and len(found) > query.limit):
                    break
                after = batch[-1].digest
        page = found[: query.limit] if query.limit else found
        more = ("", page[-1].digest) if len(found) > len(page) else None
        return ListPage([image_to_wire(image) for image in page], version, more)

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"]["name"]
        body = body_from_wire(wanted)
        command = ctx.command("image.create", command_name(ctx), {"name": name, "body": body})
        async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
            if not await store_images(tx, {name: body}):
                raise already_exists(RESOURCE, GROUP, name)
            stored = (await load_images(tx.connection, [name]))[name]
        return _stamped(stored, tx.position)

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
        arguments: JsonObject = {"name": name}
        command = ctx.command("image.update", command_name(ctx), arguments)

        async def write() -> JsonObject:
            async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
                before = await lock_image(tx.connection, name)
                if before is None:
                    raise not_found(RESOURCE, GROUP, name)
                wanted = change(image_to_wire(before))
                check_version(RESOURCE, name, wanted, before.version, required=True)
                body = updated_body(before.body, wanted)
                arguments["body"] = body
                if body != before.body:
                    await update_image(tx, before, body)
                stored = (await load_images(tx.connection, [name]))[name]
            return _stamped(stored, tx.position or before.version)

        return await retried(write), False

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        command = ctx.command("image.delete", command_name(ctx), {"name": name})
        async with transaction(self._deps.database, command, dry_run=options.dry_run) as tx:
            image = await lock_image(tx.connection, name)
            if image is None:
                raise not_found(RESOURCE, GROUP, name)
            if options.uid and options.uid != image.uid:
                raise conflict(RESOURCE, GROUP, name, "the UID precondition was not met")
            await delete_image(tx, image)
        return build_success(resource=RESOURCE, group=GROUP, name=name, uid=image.uid)


def _stamped(image: StoredImage, version: int) -> JsonObject:
    body = image_to_wire(image)
    if version:
        body["metadata"]["resourceVersion"] = str(version)
    return body


def _selects(query: ListQuery, image: StoredImage) -> bool:
    labels: Mapping[str, Any] = image.metadata
    return query.labels.matches(labels.get("labels")) and query.fields.matches(
        {"metadata.name": image.digest}
    )
