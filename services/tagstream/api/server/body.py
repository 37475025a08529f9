"""Reading a request's body within its limit."""

from __future__ import annotations

from tagstream.api.server.ports import Headers
from tagstream.api.server.responses import Receive
from tagstream.api.wire.status import bad_request, too_large

LIMIT_BYTES = 3 * 1024 * 1024


class ClientGone(Exception):
    """The client hung up before its request was complete."""


async def read_body(receive: Receive, headers: Headers) -> bytes:
    """The whole body. Raises 413 as soon as it is known to be too large, ClientGone."""
    announced = headers.get(b"content-length")
    if announced.isdigit() and int(announced) > LIMIT_BYTES:
        raise _over_limit()
    if headers.get(b"content-encoding") not in ("", "identity"):
        raise bad_request("the request body must not be compressed: leave Content-Encoding out")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return _checked(body)
    chunks, size_bytes = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        size_bytes += len(chunks[-1])
        if size_bytes > LIMIT_BYTES:
            raise _over_limit()
    return b"".join(chunks)


def _checked(body: bytes) -> bytes:
    if len(body) > LIMIT_BYTES:
        raise _over_limit()
    return body


def _over_limit() -> Exception:
    return too_large(f"limit is {LIMIT_BYTES}")
