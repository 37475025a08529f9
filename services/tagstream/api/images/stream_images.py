"""imagestreamimages: an image as a stream has known it (spec/image-api-and-import.md §1.9)."""

from __future__ import annotations

from tagstream.api.engine.context import RequestContext
from tagstream.api.images.convert import API_VERSION, GROUP, image_to_wire
from tagstream.api.images.deps import ImageDeps
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import bad_request, conflict, not_found
from tagstream.images.reference import split_stream_image
from tagstream.store.images import load_images
from tagstream.store.stream_images import find_stream_images
from tagstream.store.streams import load_header
from tagstream.streams.json_form import format_time

_DETAIL_KIND = "imagestreamimage"


class ImageStreamImageStorage:
    """Read only: every image that a tag of the stream has pointed to, or a child of one."""

    def __init__(self, deps: ImageDeps) -> None:
        self._deps = deps

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        parts = split_stream_image(name)
        if parts is None:
            raise bad_request("ImageStreamImages must be retrieved with <name>@<id>")
        stream_name, image_id = parts
        async with self._deps.database.snapshot() as connection:
            stream = await load_header(connection, namespace, stream_name)
            if stream is None:
                raise not_found("imagestreams", GROUP, stream_name)
            digests = await find_stream_images(connection, stream.uid, image_id)
            if not digests:
                raise not_found(_DETAIL_KIND, GROUP, name)
            if len(digests) > 1:
                listed = ", ".join(digests)
                cause = f'multiple images match the prefix "{image_id}": {listed}'
                raise conflict(_DETAIL_KIND, GROUP, name, cause)
            found = await load_images(connection, digests)
        image = found.get(digests[0])
        if image is None:
            raise not_found("images", GROUP, digests[0])
        shown = image_to_wire(image, embedded=True)
        shown.pop("dockerImageManifest", None)
        shown.pop("dockerImageConfig", None)
        metadata: JsonObject = {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": format_time(image.created_at),
        }
        if stream.metadata.annotations:
            metadata["annotations"] = dict(stream.metadata.annotations)
        return {
            "kind": "ImageStreamImage",
            "apiVersion": API_VERSION,
            "metadata": metadata,
            "image": shown,
        }
