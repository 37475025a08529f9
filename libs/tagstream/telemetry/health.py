"""The small HTTP port of every process: /metrics, /healthz, /readyz.

Owns just enough HTTP/1.1 for a prober and a scraper: GET and HEAD, one request a connection,
bounded in size, time and connections. It answers from memory; a readiness check must not block.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Mapping

from tagstream.errors import Unavailable
from tagstream.telemetry import metrics

Check = Callable[[], str | None]
"""Why the process is not ready, as a short sentence without secrets; None when it is."""

_MAX_HEAD_BYTES = 8 * 1024
_MAX_CONNECTIONS = 32
_TIMEOUT_S = 5.0
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
_TEXT = "text/plain; charset=utf-8"


class HealthServer:
    """Serves until `close`; `checks` may gain entries while it runs."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._server: asyncio.Server | None = None
        self._open = 0

    @property
    def port(self) -> int:
        """The port it listens on, chosen by the system when 0 was asked for; 0 when closed."""
        sockets = self._server.sockets if self._server else ()
        return int(sockets[0].getsockname()[1]) if sockets else 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises Unavailable, naming the address, when it cannot be had."""
        try:
            self._server = await asyncio.start_server(
                self._serve, host, port, limit=_MAX_HEAD_BYTES
            )
        except OSError as error:
            why = "the port is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
            raise Unavailable(
                f"cannot serve health on {host}:{port}: {why}; "
                "set TAGSTREAM_HEALTH_HOST or TAGSTREAM_HEALTH_PORT"
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for one request."""
        if method not in ("GET", "HEAD"):
            return 405, _TEXT, b"only GET is served here\n"
        match path.partition("?")[0]:
            case "/metrics":
                return 200, metrics.CONTENT_TYPE, metrics.render()
            case "/healthz" | "/livez":
                return 200, _TEXT, b"ok\n"
            case "/readyz":
                return self._readiness()
        return 404, _TEXT, b"try /metrics, /healthz or /readyz\n"

    def _readiness(self) -> tuple[int, str, bytes]:
        reasons = {name: check() for name, check in self._checks.items()}
        failed = [f"{name}: {reason}" for name, reason in sorted(reasons.items()) if reason]
        if failed:
            return 503, _TEXT, ("\n".join(failed) + "\n").encode()
        return 200, _TEXT, b"ok\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _MAX_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            # A peer that stalls, sends too much or hangs up is simply dropped.
            with contextlib.suppress(
                TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError
            ):
                async with asyncio.timeout(_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._respond(head))
                    await writer.drain()
        finally:
            self._open -= 1
            writer.close()

    def _respond(self, head: bytes) -> bytes:
        parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            status, kind, body = 400, _TEXT, b"not an HTTP/1.1 request\n"
        else:
            status, kind, body = self.answer(parts[0], parts[1])
        reason = _REASONS.get(status, "Service Unavailable")
        lines = (
            f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return lines.encode() + (b"" if parts[0] == "HEAD" else body)
