"""imagestreams/layers and imagestreams/secrets (spec/image-api-and-import.md §1.10, §1.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagstream.api.engine.context import RequestContext
from tagstream.api.images.convert import API_VERSION, GROUP
from tagstream.api.images.deps import ImageDeps
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import not_found
from tagstream.images.media_types import OCI_MANIFEST, SCHEMA2
from tagstream.store.images import StoredImage, load_images
from tagstream.store.streams import load_stream

EXCLUDE_ANNOTATION = "openshift.io/image.excludeSecret"


async def get_layers(deps: ImageDeps, namespace: str, name: str) -> JsonObject:
    """Every blob that a puller of the stream may read, and which image consists of which."""
    async with deps.database.snapshot() as connection:
        stream = await load_stream(connection, namespace, name)
        if stream is None:
            raise not_found("imagestreams", GROUP, name)
        wanted = {e.image for h in stream.status_tags.values() for e in h.items if e.image}
        images: dict[str, StoredImage] = {}
        missing: set[str] = set()
        while wanted:
            found = await load_images(connection, wanted)
            missing |= wanted - found.keys()
            images |= found
            wanted = {d for i in found.values() for d in _children(i)} - images.keys() - missing
    blobs: JsonObject = {}
    shown: JsonObject = {
        d: {"imageMissing": True, "layers": None, "config": None} for d in sorted(missing)
    }
    for digest in sorted(images):
        shown[digest] = _shown(images[digest], blobs)
    return {
        "kind": "ImageStreamLayers",
        "apiVersion": API_VERSION,
        "metadata": {"name": name, "namespace": namespace},
        "blobs": dict(sorted(blobs.items())),
        "images": dict(sorted(shown.items())),
    }


def _children(image: StoredImage) -> list[str]:
    manifests: Any = image.body.get("dockerImageManifests") or []
    return [m["digest"] for m in manifests]


def _shown(image: StoredImage, blobs: JsonObject) -> JsonObject:
    body: Mapping[str, Any] = image.body
    media_type = body.get("dockerImageManifestMediaType") or SCHEMA2
    layers = body.get("dockerImageLayers") or []
    for layer in layers:
        blobs[layer["name"]] = {"size": layer["size"], "mediaType": layer["mediaType"]}
    blobs[image.digest] = {"size": None, "mediaType": media_type}
    config = None
    if media_type in (SCHEMA2, OCI_MANIFEST):
        config = (body.get("dockerImageMetadata") or {}).get("Id") or None
    if config:
        blobs[config] = {"size": None, "mediaType": _CONFIG_TYPES[media_type]}
    shown: JsonObject = {"layers": [layer["name"] for layer in layers], "config": config}
    if children := _children(image):
        shown["manifests"] = children
    return shown


_CONFIG_TYPES = {
    SCHEMA2: "application/vnd.docker.container.image.v1+json",
    OCI_MANIFEST: "application/vnd.oci.image.config.v1+json",
}


async def get_secrets(deps: ImageDeps, ctx: RequestContext, namespace: str) -> JsonObject:
    """The namespace's registry credentials; the stream in the path need not exist."""
    secrets, version = await deps.secrets.list_pull_secrets(ctx, namespace)
    return {
        "kind": "SecretList",
        "apiVersion": API_VERSION,
        "metadata": {"resourceVersion": str(version)},
        "items": [s for s in secrets if not _is_excluded(s)],
    }


def _is_excluded(secret: JsonObject) -> bool:
    annotations = secret["metadata"].get("annotations") or {}
    return annotations.get(EXCLUDE_ANNOTATION) == "true"
