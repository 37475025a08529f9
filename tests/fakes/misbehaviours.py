"""Ways in which a registry can fail its client, to be put on paths of a `FakeRegistry`.

Each function makes one behaviour; a behaviour answers a request or returns None to let the
registry answer as usual (after a delay, say).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def fail(status: int, *, headers: dict[str, str] | None = None, body: bytes = b"") -> Misbehaviour:
    """Answer with this status: 429 with `Retry-After`, 502, 404 with any body, ..."""

    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, body=body)

    return behave


def answer(body: bytes, content_type: str) -> Misbehaviour:
    """Answer 200 with the wrong thing: bad JSON, other bytes, a huge document."""

    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": content_type})

    return behave


def redirect(location: str, *, status: int = 307) -> Misbehaviour:
    """Send the client elsewhere; `{path}` in the location is the path asked for."""

    async def behave(request: web.Request) -> web.StreamResponse:
        target = location.replace("{path}", request.rel_url.raw_path_qs)
        return web.Response(status=status, headers={"Location": target})

    return behave


def slow(delay_s: float) -> Misbehaviour:
    """Answer as usual, later."""

    async def behave(request: web.Request) -> None:
        await asyncio.sleep(delay_s)

    return behave


def stall_in_body(content_type: str = "application/json") -> Misbehaviour:
    """Send headers and one byte, then nothing."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(3600)
        return response

    return behave


def endless(content_type: str = "application/json", *, status: int = 200) -> Misbehaviour:
    """A chunked body that never ends."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": content_type})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    return behave


def truncated(content_type: str = "application/json", *, promised: int = 1000) -> Misbehaviour:
    """Promise more bytes than are sent, then hang up."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        response.content_length = promised
        await response.prepare(request)
        await response.write(b'{"schemaVersion"')
        hang_up_on(request)
        return response

    return behave


def hang_up() -> Misbehaviour:
    """Close the connection without an answer."""

    async def behave(request: web.Request) -> web.StreamResponse:
        hang_up_on(request)
        return web.Response()

    return behave


def hang_up_on(request: web.Request) -> None:
    """Cut the connection of a request."""
    if request.transport is not None:
        request.transport.close()
