"""Content digests: what one looks like, computing one, checking bytes against one.

Owns the three algorithms that a digest may name (spec/image-api-and-import.md §2.1). Short ids are
for display only (§2.5); nothing stores them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NewType

Digest = NewType("Digest", str)
"""`<algorithm>:<hex>`, the name of bytes that never change."""

HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hex digits that each accepted algorithm makes."""

SHORT_ID_LENGTH = 12

_HEX = re.compile(r"[0-9a-fA-F]+")


def digest_of(data: bytes) -> Digest:
    """The sha256 digest of `data`: the name it gets here, whatever digest it was asked for by."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def is_digest(text: str) -> bool:
    """Whether `text` is a complete digest of an accepted algorithm; a short one is not."""
    algorithm, _, hex_digits = text.partition(":")
    return HEX_LENGTHS.get(algorithm) == len(hex_digits) and bool(_HEX.fullmatch(hex_digits))


def verify_digest(data: bytes, digest: str) -> bool:
    """Whether `data` has this digest; False as well when `digest` is none.

    The hex is compared as given, so upper case never matches (§2.2).
    """
    if not is_digest(digest):
        return False
    algorithm, _, expected = digest.partition(":")
    return hmac.compare_digest(hashlib.new(algorithm, data).hexdigest(), expected)


def short_id(digest: str) -> str:
    """The first 12 hex digits, without the algorithm, as people are shown an image (§2.5)."""
    return digest.removeprefix("sha256:")[:SHORT_ID_LENGTH]
