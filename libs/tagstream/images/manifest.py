"""Manifests as registries serve them: parsed, bounded, named by digest.

Owns what makes a manifest usable at all; what an Image shows of it is `image.py`. Everything here
comes from strangers: only InvalidManifest is ever raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from tagstream.images.descriptor import Descriptor, parse_descriptor
from tagstream.images.digest import Digest, digest_of
from tagstream.images.media_types import (
    SCHEMA1,
    ManifestKind,
    bare_media_type,
    classify_manifest,
)
from tagstream.images.schema1 import canonical_payload, parse_schema1
from tagstream.images.untrusted_json import InvalidManifest, JsonFields, load_object

__all__ = [
    "MAX_LAYERS",
    "MAX_LIST_ENTRIES",
    "Descriptor",
    "InvalidManifest",
    "Manifest",
    "ManifestEntry",
    "ManifestList",
    "SingleManifest",
    "manifest_payload",
    "parse_manifest",
]

MAX_LAYERS: Final = 1000
MAX_LIST_ENTRIES: Final = 1000


@dataclass(frozen=True, slots=True)
class SingleManifest:
    """A manifest of one image.

    `layers` are base first. `config` is None for schema 1 only, whose description is in `history`:
    JSON texts, newest first, empty for all other schemas.
    """

    media_type: str
    digest: Digest
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    history: tuple[str, ...] = ()

    @property
    def is_schema1(self) -> bool:
        """Whether it is of the old kind, without a config blob."""
        return self.media_type == SCHEMA1

    @property
    def unsized_layers(self) -> tuple[Digest, ...]:
        """Distinct layers whose size the manifest leaves open (schema 1): ask the registry."""
        if not self.is_schema1:
            return ()
        return tuple(dict.fromkeys(layer.digest for layer in self.layers if layer.size == 0))


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One manifest that a list names. `size` is in bytes; platform fields may be empty."""

    digest: Digest
    media_type: str
    size: int
    architecture: str
    os: str
    variant: str


@dataclass(frozen=True, slots=True)
class ManifestList:
    """A manifest list or OCI index, entries in its own order."""

    media_type: str
    digest: Digest
    entries: tuple[ManifestEntry, ...]


Manifest: TypeAlias = SingleManifest | ManifestList


def manifest_payload(raw: bytes, content_type: str) -> bytes:
    """The bytes that a manifest's digest is taken over: without signatures for schema 1.

    Raises InvalidManifest.
    """
    if classify_manifest(content_type) is ManifestKind.SCHEMA1:
        return canonical_payload(raw)
    return raw


def parse_manifest(raw: bytes, content_type: str) -> Manifest:
    """Parse a manifest by the Content-Type it was served with (§6.6).

    Raises InvalidManifest, which says where.
    """
    kind = classify_manifest(content_type)
    if kind is ManifestKind.SCHEMA1:
        content = parse_schema1(raw)
        return SingleManifest(SCHEMA1, content.digest, None, content.layers, content.history)
    digest = digest_of(raw)
    fields = load_object(raw, "manifest")
    version = fields.integer("schemaVersion")
    if version != 2:
        raise InvalidManifest(
            f'unrecognized container image manifest schema {version} for "{digest}"'
        )
    media_type = bare_media_type(content_type)
    declared = fields.text("mediaType")
    if declared and declared != media_type:
        fields.fail("mediaType", f"is {declared!r:.100}, but it was served as {media_type!r}")
    if kind.is_list:
        return ManifestList(media_type, digest, _parse_entries(fields))
    return _parse_single(fields, media_type, digest)


def _parse_single(fields: JsonFields, media_type: str, digest: Digest) -> SingleManifest:
    _refuse_fields(fields, "manifests")
    if not fields.has("config"):
        fields.fail("config", "is missing")
    return SingleManifest(
        media_type=media_type,
        digest=digest,
        config=parse_descriptor(fields.member("config")),
        layers=tuple(parse_descriptor(layer) for layer in fields.members("layers", MAX_LAYERS)),
    )


def _parse_entries(fields: JsonFields) -> tuple[ManifestEntry, ...]:
    _refuse_fields(fields, "config", "layers")
    return tuple(_parse_entry(entry) for entry in fields.members("manifests", MAX_LIST_ENTRIES))


def _parse_entry(fields: JsonFields) -> ManifestEntry:
    descriptor = parse_descriptor(fields)
    platform = fields.member("platform")
    return ManifestEntry(
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=descriptor.size,
        architecture=platform.text("architecture"),
        os=platform.text("os"),
        variant=platform.text("variant"),
    )


def _refuse_fields(fields: JsonFields, *keys: str) -> None:
    # A document that is both a list and an image means different things to different readers.
    for key in keys:
        if fields.has(key):
            fields.fail(key, "does not belong in a manifest of this type")
