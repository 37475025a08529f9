"""imagestreammappings: an image was pushed, and here is its tag (spec §5)."""

from __future__ import annotations

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import WriteOptions
from tagstream.api.images.convert import GROUP
from tagstream.api.images.deps import ImageDeps, command_name, retried
from tagstream.api.images.image_bodies import body_from_wire
from tagstream.api.images.schedule_warning import record_schedule_warning
from tagstream.api.wire.field_errors import required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import build_success, invalid, not_found
from tagstream.store.images import store_images
from tagstream.store.journal import transaction
from tagstream.store.stream_writes import save_stream
from tagstream.store.streams import load_stream, load_tags
from tagstream.streams.pull_spec import stream_repository
from tagstream.streams.sources import followed_by
from tagstream.streams.stream_commands import decide_push

_MANAGED = "openshift.io/image.managed"


class ImageStreamMappingStorage:
    """Create only. The stream must exist; the image is stored unless it is there."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"]["name"]
        tag = wanted.get("tag") or ""
        if not tag:
            raise invalid("ImageStreamMapping", GROUP, name, [required_value("tag")])
        image = self._image(namespace, name, wanted)
        digest: str = image["metadata"]["name"]
        body = body_from_wire(image, "image.")
        command = ctx.command(
            "imagestreammapping.create",
            command_name(ctx),
            {"namespace": namespace, "stream": name, "tag": tag, "digest": digest, "image": body},
        )
        deps = self._deps

        async def write() -> None:
            async with transaction(deps.database, command, dry_run=options.dry_run) as tx:
                before = await load_stream(tx.connection, namespace, name, tags=[tag], lock=True)
                if before is None:
                    raise not_found("imagestreams", GROUP, name)
                followed = followed_by(before, tag)
                if followed is not None:
                    before = await load_tags(tx.connection, before, [tag, followed])
                is_new = bool(await store_images(tx, {digest: body}))
                reference = body["dockerImageReference"]
                repository = stream_repository(before, deps.names.internal)
                annotations = body["metadata"].get("annotations") or {}
                if not is_new and annotations.get(_MANAGED) == "true" and repository:
                    reference = f"{repository}@{digest}"
                tx.say({"reference": reference})
                written = decide_push(before, tag, reference, digest, ctx.second)
                if written.after is not before:
                    await record_schedule_warning(tx, written, ctx.second)
                    await save_stream(tx, before, written.after, deps.names.internal)

        await retried(write)
        return build_success(code=201)

    def _image(self, namespace: str, name: str, wanted: JsonObject) -> JsonObject:
        image = dict(wanted.get("image") or {})
        image.pop("signatures", None)
        image_name = (image.get("metadata") or {}).get("name") or ""
        if not image_name:
            error = required_value("image.metadata.name", "name or generateName is required")
            raise invalid("ImageStreamMapping", GROUP, name, [error])
        names = self._deps.names
        if not image.get("dockerImageReference") and names.internal:
            image["dockerImageReference"] = f"{names.internal}/{namespace}/{name}@{image_name}"
        return image
