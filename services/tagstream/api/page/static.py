"""The page's few files: style, script and icon. Named by their content, so kept by browsers.

They are the same for everybody and are sent without a session.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from tagstream.api.engine.call import Answer
from tagstream.api.page import addresses

_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HASH_CHARS = 16
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN = (b"cache-control", b"no-cache")


@cache
def _load(name: str) -> tuple[bytes, str]:
    body = files("tagstream.api.page").joinpath("static", name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:_HASH_CHARS]


class StaticFiles:
    """Addresses and contents."""

    def address(self, name: str) -> str:
        """Where a file is, with its hash."""
        return f"{addresses.STATIC}{name}?v={_load(name)[1]}"

    def answer(self, name: str, version: str) -> Answer | None:
        """A file, for ever if it is the version that was asked for; None where there is none."""
        if name not in _TYPES:
            return None
        body, own_version = _load(name)
        caching = _FOREVER if version == own_version else _ASK_AGAIN
        return Answer(200, _TYPES[name], body, headers=(caching, *_HEADERS))
