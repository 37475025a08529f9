"""What the demo's registry keeps: blobs, manifests and tags of each repository, in memory. Pure.

Owns the rules of storing: a digest has to fit its bytes, and a manifest may name only what is
there. HTTP is registry.py's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tagstream.images.digest import digest_of, is_digest, verify_digest

MAX_BLOB_BYTES = 256 * 1024 * 1024
MAX_MANIFEST_BYTES = 4 * 1024 * 1024

_NAME = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Refused(Exception):
    """`status` and `code` are those of the distribution specification."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, byte for byte as it was pushed."""

    raw: bytes
    content_type: str
    digest: str


@dataclass(slots=True)
class Repository:
    """One repository; `tags` are digests by tag name."""

    name: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def save_blob(self, digest: str, content: bytes) -> None:
        """Raises `Refused` when the bytes have another digest."""
        if not verify_digest(content, digest):
            raise Refused(400, "DIGEST_INVALID", f"the content is not {digest}")
        self.blobs[digest] = content

    def load_blob(self, digest: str) -> bytes:
        """Raises `Refused`."""
        content = self.blobs.get(digest)
        if content is None:
            raise Refused(404, "BLOB_UNKNOWN", f"{self.name} has no blob {digest}")
        return content

    def save_manifest(self, reference: str, raw: bytes, content_type: str) -> Manifest:
        """Keep a manifest under a tag or under its digest. Raises `Refused`."""
        digest: str = digest_of(raw)
        if is_digest(reference):
            if not verify_digest(raw, reference):
                raise Refused(400, "DIGEST_INVALID", f"the manifest is not {reference}")
            digest = reference
        elif not _TAG.fullmatch(reference):
            raise Refused(400, "TAG_INVALID", f"{reference!r} is not a tag")
        self._check(raw)
        manifest = Manifest(raw, content_type, digest)
        self.manifests[digest] = manifest
        if reference != digest:
            self.tags[reference] = digest
        return manifest

    def load_manifest(self, reference: str) -> Manifest:
        """By tag or digest. Raises `Refused`."""
        manifest = self.manifests.get(self.tags.get(reference, reference))
        if manifest is None:
            raise Refused(404, "MANIFEST_UNKNOWN", f"{self.name} has no manifest {reference}")
        return manifest

    def _check(self, raw: bytes) -> None:
        try:
            document = json.loads(raw)
            needed = [document["config"], *document["layers"]] if "config" in document else []
            blobs = [entry["digest"] for entry in needed]
            children = [entry["digest"] for entry in document.get("manifests", [])]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(400, "MANIFEST_INVALID", "this is not a manifest") from error
        for digest in blobs:
            if digest not in self.blobs:
                raise Refused(400, "MANIFEST_BLOB_UNKNOWN", f"push blob {digest} first")
        for digest in children:
            if digest not in self.manifests:
                raise Refused(400, "MANIFEST_UNKNOWN", f"push manifest {digest} first")


def check_name(name: str) -> None:
    """Raises `Refused` for what cannot be a repository's name."""
    if len(name) > 255 or not _NAME.fullmatch(name):
        raise Refused(400, "NAME_INVALID", f"{name!r} is not a repository name")
