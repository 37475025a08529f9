"""The kinds of image.openshift.io/v1, declared (spec/image-api-and-import.md §1.1)."""

from __future__ import annotations

from typing import cast

from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.engine.storage import Storage
from tagstream.api.images import tables
from tagstream.api.images.convert import GROUP
from tagstream.api.images.deps import ImageDeps
from tagstream.api.images.image_tags import ImageTagStorage
from tagstream.api.images.images import ImageStorage
from tagstream.api.images.imports import ImageStreamImportStorage
from tagstream.api.images.mappings import ImageStreamMappingStorage
from tagstream.api.images.stream_images import ImageStreamImageStorage
from tagstream.api.images.stream_tags import ImageStreamTagStorage
from tagstream.api.images.streams import ImageStreamStorage

_TAG_VERBS = ("create", "delete", "get", "list", "patch", "update")

IMAGES = Kind(GROUP, "v1", "images", "Image", "image", namespaced=False, table=tables.IMAGES)
IMAGE_STREAMS = Kind(
    GROUP,
    "v1",
    "imagestreams",
    "ImageStream",
    "imagestream",
    namespaced=True,
    short_names=("is",),
    categories=("all",),
    subresources=(
        Subresource("layers", "ImageStreamLayers", ("get",)),
        Subresource("secrets", "SecretList", ("get",)),
        Subresource("status", "ImageStream", ("get", "patch", "update")),
    ),
    table=tables.STREAMS,
    selectable_fields=("spec.dockerImageRepository", "status.dockerImageRepository"),
)
IMAGE_STREAM_TAGS = Kind(
    GROUP,
    "v1",
    "imagestreamtags",
    "ImageStreamTag",
    "imagestreamtag",
    namespaced=True,
    verbs=_TAG_VERBS,
    short_names=("istag",),
    table=tables.STREAM_TAGS,
)
IMAGE_TAGS = Kind(
    GROUP,
    "v1",
    "imagetags",
    "ImageTag",
    "imagetag",
    namespaced=True,
    verbs=_TAG_VERBS,
    short_names=("itag",),
    table=tables.IMAGE_TAGS,
)
IMAGE_STREAM_IMAGES = Kind(
    GROUP,
    "v1",
    "imagestreamimages",
    "ImageStreamImage",
    "imagestreamimage",
    namespaced=True,
    verbs=("get",),
    short_names=("isimage",),
    table=tables.STREAM_IMAGES,
)
IMAGE_STREAM_MAPPINGS = Kind(
    GROUP,
    "v1",
    "imagestreammappings",
    "ImageStreamMapping",
    "imagestreammapping",
    namespaced=True,
    verbs=("create",),
)
IMAGE_STREAM_IMPORTS = Kind(
    GROUP,
    "v1",
    "imagestreamimports",
    "ImageStreamImport",
    "imagestreamimport",
    namespaced=True,
    verbs=("create",),
    extra={"long_running": True},
)


def build_image_storages(deps: ImageDeps) -> list[tuple[Kind, Storage]]:
    """Every kind of the group with its storage."""
    storages = (
        (IMAGES, ImageStorage(deps)),
        (IMAGE_STREAMS, ImageStreamStorage(deps)),
        (IMAGE_STREAM_TAGS, ImageStreamTagStorage(deps)),
        (IMAGE_TAGS, ImageTagStorage(deps)),
        (IMAGE_STREAM_IMAGES, ImageStreamImageStorage(deps)),
        (IMAGE_STREAM_MAPPINGS, ImageStreamMappingStorage(deps)),
        (IMAGE_STREAM_IMPORTS, ImageStreamImportStorage(deps)),
    )
    # Each has the methods of the verbs that its kind declares, and no others.
    return [(kind, cast(Storage, storage)) for kind, storage in storages]
