"""Media types of manifests: which exist, which kind each is, which to ask a registry for.

The kinds and the fallback are spec/image-api-and-import.md §6.6.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
SCHEMA2: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
SCHEMA1_LAYER: Final = "application/vnd.docker.container.image.rootfs.diff+x-gtar"

MANIFEST_ACCEPT: Final = (
    SCHEMA2,
    DOCKER_LIST,
    OCI_MANIFEST,
    OCI_INDEX,
    SCHEMA1_SIGNED,
    "application/json",
)
"""What to accept when a manifest is fetched, in the order that the original asks."""


class ManifestKind(Enum):
    """How a manifest is to be decoded."""

    SCHEMA1 = "schema1"
    SCHEMA2 = "schema2"
    DOCKER_LIST = "docker list"
    OCI_MANIFEST = "oci manifest"
    OCI_INDEX = "oci index"

    @property
    def is_list(self) -> bool:
        """Whether it names other manifests instead of layers."""
        return self in (ManifestKind.DOCKER_LIST, ManifestKind.OCI_INDEX)


_KINDS: Final = {
    SCHEMA2: ManifestKind.SCHEMA2,
    DOCKER_LIST: ManifestKind.DOCKER_LIST,
    OCI_MANIFEST: ManifestKind.OCI_MANIFEST,
    OCI_INDEX: ManifestKind.OCI_INDEX,
}


def bare_media_type(content_type: str) -> str:
    """A Content-Type header's media type: lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def classify_manifest(content_type: str) -> ManifestKind:
    """The kind that a Content-Type or `mediaType` names; empty and unknown ones mean schema 1."""
    return _KINDS.get(bare_media_type(content_type), ManifestKind.SCHEMA1)
