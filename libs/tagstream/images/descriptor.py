"""Descriptors: how a manifest names the blobs it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from tagstream.images.digest import Digest, is_digest
from tagstream.images.untrusted_json import JsonFields


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob by digest. `size` is in bytes, 0 when unknown (schema 1); the type may be empty."""

    digest: Digest
    size: int
    media_type: str


def parse_digest_field(fields: JsonFields, key: str) -> Digest:
    """A field that must hold a digest. Raises InvalidManifest."""
    text = fields.text(key)
    if not text:
        fields.fail(key, "is missing")
    if not is_digest(text):
        fields.fail(key, f"{text!r:.100} is not a sha256, sha384 or sha512 digest")
    return Digest(text)


def parse_descriptor(fields: JsonFields) -> Descriptor:
    """A descriptor; further fields, such as `urls`, are ignored. Raises InvalidManifest."""
    return Descriptor(
        digest=parse_digest_field(fields, "digest"),
        size=fields.size("size"),
        media_type=fields.text("mediaType"),
    )
