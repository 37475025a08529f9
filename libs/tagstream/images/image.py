"""The Image object: derived from a manifest, stored and shown as JSON.

Owns spec/image-api-and-import.md §6.9 and the shape of §1.5. Does not own what the server adds
(uid, resourceVersion, creationTimestamp, signatures), nor raw manifests and configs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from tagstream.images.digest import Digest, verify_digest
from tagstream.images.image_metadata import (
    EMPTY_METADATA,
    METADATA_VERSION,
    JsonValue,
    Metadata,
    metadata_from_config,
    metadata_from_wire,
    metadata_of_list,
    thaw,
)
from tagstream.images.manifest import (
    MAX_LAYERS,
    MAX_LIST_ENTRIES,
    InvalidManifest,
    ManifestEntry,
    ManifestList,
    SingleManifest,
)
from tagstream.images.reference import ImageReference
from tagstream.images.schema1 import load_v1_compatibility
from tagstream.images.untrusted_json import INT64_MAX, JsonFields, load_object

__all__ = [
    "EMPTY_METADATA",
    "Image",
    "ImageLayer",
    "ImageManifest",
    "derive_image",
    "derive_list_image",
    "image_from_json",
    "image_to_json",
]

LAYERS_ORDER_ANNOTATION: Final = "image.openshift.io/dockerLayersOrder"

_NAME_6838 = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_NAME_6838}/{_NAME_6838}")


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """A layer blob; `size` in bytes."""

    name: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """One image of a manifest list; `manifest_size` is of the manifest, in bytes."""

    digest: Digest
    media_type: str
    manifest_size: int
    architecture: str
    os: str
    variant: str


def _no_annotations() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Image:
    """An image by digest. Has `layers` (base first) or, for a manifest list, `manifests`."""

    name: Digest
    docker_image_reference: str
    metadata: Metadata = field(default_factory=lambda: EMPTY_METADATA)
    metadata_version: str = METADATA_VERSION
    manifest_media_type: str = ""
    layers: tuple[ImageLayer, ...] = ()
    manifests: tuple[ImageManifest, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=_no_annotations)


def derive_image(
    reference: ImageReference,
    manifest: SingleManifest,
    config: bytes = b"",
    *,
    layer_sizes: Mapping[str, int] | None = None,
) -> Image:
    """The Image of a single manifest, found at `reference`.

    `config` is the config blob, empty for schema 1; `layer_sizes` gives the bytes of those schema 1
    layers that `manifest.unsized_layers` lists. Raises InvalidManifest.
    """
    if manifest.is_schema1:
        layers = _schema1_layers(manifest, layer_sizes or {})
        newest = load_v1_compatibility(manifest.history[0], 0)
        metadata = metadata_from_config(newest.text("id"), newest, _total_size(layers))
    else:
        layers = tuple(ImageLayer(la.digest, la.size, la.media_type) for la in manifest.layers)
        metadata = _config_metadata(manifest, config, _total_size(layers))
    return Image(
        name=manifest.digest,
        docker_image_reference=reference.with_digest(manifest.digest).exact,
        metadata=metadata,
        manifest_media_type=manifest.media_type,
        layers=layers,
        annotations=MappingProxyType({LAYERS_ORDER_ANNOTATION: "ascending"}),
    )


def derive_list_image(
    reference: ImageReference, manifest: ManifestList, imported_at: datetime
) -> Image:
    """The Image of a manifest list itself, found at `reference`; `imported_at` is aware.

    Raises InvalidManifest, with the server's wording, when an entry lacks what an Image must show
    (§6.8: an architecture, an os, a proper media type).
    """
    problems = [
        f"dockerImageManifests[{index}].{problem}"
        for index, entry in enumerate(manifest.entries)
        for problem in _entry_problems(entry)
    ]
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise InvalidManifest(f'Image.image.openshift.io "{manifest.digest}" is invalid: {text}')
    return Image(
        name=manifest.digest,
        docker_image_reference=reference.with_digest(manifest.digest).exact,
        metadata=metadata_of_list(manifest.digest, imported_at),
        manifest_media_type=manifest.media_type,
        manifests=tuple(
            ImageManifest(
                digest=entry.digest,
                media_type=entry.media_type,
                manifest_size=entry.size,
                architecture=entry.architecture,
                os=entry.os,
                variant=entry.variant,
            )
            for entry in manifest.entries
        ),
    )


def image_to_json(image: Image) -> dict[str, JsonValue]:
    """The body of an image.openshift.io/v1 Image, in the API's field order, empty fields omitted.

    Without kind, apiVersion and the metadata that the server assigns. The value is fresh: the
    caller may add to it.
    """
    metadata: dict[str, JsonValue] = {"name": image.name} if image.name else {}
    if image.annotations:
        metadata["annotations"] = dict(image.annotations)
    optional: dict[str, JsonValue] = {
        "dockerImageReference": image.docker_image_reference,
        "dockerImageMetadata": thaw(image.metadata),
        "dockerImageMetadataVersion": image.metadata_version,
        "dockerImageLayers": [_layer_to_json(layer) for layer in image.layers],
        "dockerImageManifestMediaType": image.manifest_media_type,
        "dockerImageManifests": [_manifest_to_json(entry) for entry in image.manifests],
    }
    return {"metadata": metadata, **{name: value for name, value in optional.items() if value}}


def image_from_json(body: Mapping[str, object]) -> Image:
    """The Image in such a body, whether stored here or sent by a user; other fields are dropped.

    Metadata may also be of the older apiVersion `1.0`; without any it is EMPTY_METADATA. Raises
    InvalidManifest when a field that is kept has the wrong type.
    """
    fields = JsonFields(body, "image")
    object_meta = fields.member("metadata")
    return Image(
        name=Digest(object_meta.text("name")),
        docker_image_reference=fields.text("dockerImageReference"),
        metadata=metadata_from_wire(fields.member("dockerImageMetadata")),
        metadata_version=fields.text("dockerImageMetadataVersion") or METADATA_VERSION,
        manifest_media_type=fields.text("dockerImageManifestMediaType"),
        layers=tuple(
            ImageLayer(layer.text("name"), layer.integer("size"), layer.text("mediaType"))
            for layer in fields.members("dockerImageLayers", MAX_LAYERS)
        ),
        manifests=tuple(
            _manifest_from_json(entry)
            for entry in fields.members("dockerImageManifests", MAX_LIST_ENTRIES)
        ),
        annotations=MappingProxyType(object_meta.text_map("annotations")),
    )


def _config_metadata(manifest: SingleManifest, config: bytes, layers_bytes: int) -> Metadata:
    if not config:
        raise InvalidManifest(
            f'dockerImageConfig must not be empty for manifest type "{manifest.media_type}"'
        )
    if manifest.config is None or not verify_digest(config, manifest.config.digest):
        raise InvalidManifest("config: does not have the digest that the manifest names")
    size_bytes = _check_total(len(config) + layers_bytes)
    return metadata_from_config(manifest.config.digest, load_object(config, "config"), size_bytes)


def _schema1_layers(
    manifest: SingleManifest, layer_sizes: Mapping[str, int]
) -> tuple[ImageLayer, ...]:
    return tuple(
        ImageLayer(la.digest, la.size or layer_sizes.get(la.digest, 0), la.media_type)
        for la in manifest.layers
    )


def _total_size(layers: Iterable[ImageLayer]) -> int:
    """Bytes of the distinct layers."""
    return _check_total(sum({layer.name: layer.size for layer in layers}.values()))


def _check_total(size_bytes: int) -> int:
    if size_bytes > INT64_MAX:
        raise InvalidManifest("manifest.layers: the sum of the sizes does not fit in 64 bits")
    return size_bytes


def _entry_problems(entry: ManifestEntry) -> list[str]:
    problems = []
    if not _MEDIA_TYPE.fullmatch(entry.media_type):
        problems.append(
            f'mediaType: Invalid value: "{entry.media_type:.255}": '
            "media type does not conform to RFC6838"
        )
    if not entry.architecture:
        problems.append("architecture: Required value")
    if not entry.os:
        problems.append("os: Required value")
    return problems


def _layer_to_json(layer: ImageLayer) -> JsonValue:
    return {"name": layer.name, "size": layer.size, "mediaType": layer.media_type}


def _manifest_to_json(entry: ImageManifest) -> JsonValue:
    body: dict[str, JsonValue] = {
        "digest": entry.digest,
        "mediaType": entry.media_type,
        "manifestSize": entry.manifest_size,
        "architecture": entry.architecture,
        "os": entry.os,
    }
    if entry.variant:
        body["variant"] = entry.variant
    return body


def _manifest_from_json(fields: JsonFields) -> ImageManifest:
    return ImageManifest(
        digest=Digest(fields.text("digest")),
        media_type=fields.text("mediaType"),
        manifest_size=fields.integer("manifestSize"),
        architecture=fields.text("architecture"),
        os=fields.text("os"),
        variant=fields.text("variant"),
    )
