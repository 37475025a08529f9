"""A small fast HTTPS client, so that a load script measures the server and not itself.

Owns keep-alive connections and the raw watch. It knows no retries, redirects or proxies.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools
import orjson

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go and as whom. `token` empty means: by the certificate in `tls`."""

    host: str
    port: int
    tls: ssl.SSLContext
    token: str = ""

    def head(self, method: str, path: str, length: int, content_type: str) -> bytes:
        authorization = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        body = f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n" if length else ""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"User-Agent: bench/1\r\nAccept: application/json\r\n{authorization}{body}\r\n"
        ).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._body: list[bytes] = []
        self._answer: asyncio.Future[Response] | None = None

    @classmethod
    async def open(cls, server: Server) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: cls(server), server.host, server.port, ssl=server.tls
        )
        return connection

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Response:
        """One request and its whole answer. Raises ConnectionError, TimeoutError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the server closed the connection")
        raw = b"" if body is None else orjson.dumps(body)
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body = []
        self._transport.write(self._server.head(method, path, len(raw), content_type) + raw)
        async with asyncio.timeout(_TIMEOUT_S):
            return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection was lost: {exc}"))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            response = Response(self._parser.get_status_code(), b"".join(self._body))
            self._answer.set_result(response)


class Watch(asyncio.Protocol):
    """One open watch. `on_data` gets each piece as it arrives, with the time of its arrival."""

    def __init__(
        self, server: Server, path: str, on_data: Callable[[Watch, bytes, float], None]
    ) -> None:
        self._server = server
        self._path = path
        self._on_data = on_data
        self._transport: asyncio.Transport | None = None
        self.opened = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(
        cls, server: Server, path: str, on_data: Callable[[Watch, bytes, float], None]
    ) -> Watch:
        """Returns once the server has begun to answer."""
        loop = asyncio.get_running_loop()
        _, watch = await loop.create_connection(
            lambda: cls(server, path, on_data), server.host, server.port, ssl=server.tls
        )
        async with asyncio.timeout(_TIMEOUT_S):
            await watch.opened
        return watch

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._server.head("GET", self._path, 0, ""))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self.opened.done():
            status, _, data = data.partition(b"\r\n\r\n")
            if b" 200 " not in status[:20]:
                self.opened.set_exception(ConnectionError(f"watch refused: {status!r} {data!r}"))
                return
            self.opened.set_result(None)
        if data:
            self._on_data(self, data, now)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"the watch was lost: {exc}"))
