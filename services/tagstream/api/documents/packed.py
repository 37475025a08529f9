"""A large document kept compressed, and how HTTP clients revalidate it.

Owns ETag, If-None-Match, gzip and the caching of URLs that carry the document's hash.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from tagstream.api.engine.call import Answer

# What such a URL names never changes.
_IMMUTABLE = (
    (b"cache-control", b"public, immutable"),
    (b"expires", b"Fri, 31 Dec 2100 23:59:59 GMT"),
)
_LEVEL = 6


class HeaderReader(Protocol):
    """A request's headers by lowercase name."""

    def get(self, name: bytes) -> str:
        """The first value, empty when the header is absent."""
        ...

    def all(self, name: bytes) -> str:
        """All values joined by commas."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """`content` is gzipped; `hash` is that of the plain bytes."""

    content_type: str
    content: bytes
    hash: str

    def answer(self, headers: HeaderReader, *, immutable: bool = False) -> Answer:
        """The document, or 304. `immutable` is for a URL that carries the right hash."""
        etag = f'"{self.hash}"'
        own = [(b"etag", etag.encode()), (b"vary", b"Accept, Accept-Encoding")]
        if immutable:
            own.extend(_IMMUTABLE)
        if _matches(headers.all(b"if-none-match"), etag):
            return Answer(304, self.content_type, b"", headers=tuple(own))
        if not accepts_gzip(headers.all(b"accept-encoding")):
            body = gzip.decompress(self.content)
            return Answer(200, self.content_type, body, headers=tuple(own))
        own.append((b"content-encoding", b"gzip"))
        return Answer(200, self.content_type, self.content, headers=tuple(own))


def pack(content_type: str, content: bytes) -> Packed:
    """Compresses and hashes a document. The same bytes have the same hash in every process."""
    digest = hashlib.sha512(content).hexdigest().upper()
    return Packed(content_type, gzip.compress(content, _LEVEL, mtime=0), digest)


def redirect_to_hash(path: str, query: Mapping[str, str], right: str) -> Answer:
    """The URL with the hash of the document as it is now: the one asked for is of the past."""
    kept = {"hash": right}
    if "timeout" in query:
        kept["timeout"] = query["timeout"]
    headers = ((b"location", f"{path}?{urlencode(kept)}".encode("ascii")),)
    return Answer(301, "text/plain; charset=utf-8", b"", headers=headers)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    for clause in header.lower().split(","):
        coding, _, parameter = clause.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _matches(header: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or "*" in tags
