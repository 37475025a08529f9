"""The HTTPS server: uvicorn with httptools and uvloop, client certificates handed to the app.

Owns the listening socket, TLS and an orderly end. Uvicorn itself does not pass a client's
certificate on; the protocol here puts it, as DER, into `scope["extensions"]["tls"]`, read once a
connection.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tagstream.errors import InvalidInput, Unavailable

_BACKLOG = 1024
# Longer than the idle time after which common clients drop a connection themselves (90 s in Go).
_KEEP_ALIVE_S = 120
_GRACE_S = 3
_HTTP1 = ["http/1.1"]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. With `client_ca` a client may show a certificate, which is then verified."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class TlsProtocol(HttpToolsProtocol):
    """One connection; knows who its client is by certificate."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        session = transport.get_extra_info("ssl_object")
        certificate = None if session is None else session.getpeercert(binary_form=True)
        self._extensions: dict[str, Any] = {"tls": {"client_cert": certificate}}

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions


def build_tls_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or newer. Raises InvalidInput, naming the files, when they cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_HTTP1)
    try:
        context.load_cert_chain(files.certificate, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        named = f"{files.certificate}, {files.key}, {files.client_ca or 'no client CA'}"
        raise InvalidInput("tls files", f"cannot be used: {error} ({named})") from error
    return context


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket that other replicas on this machine may share (SO_REUSEPORT).

    Raises Unavailable, naming the address, when it cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.setblocking(False)
        opened.bind(address)
    except OSError as error:
        why = "the port is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise Unavailable(f"cannot listen on {host}:{port}: {why}") from error
    return opened


class HttpsServer:
    """Serves one application until `stop`; `on_stop` ends what would go on (watches)."""

    def __init__(
        self,
        app: Callable[..., Any],
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        on_stop: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            http=TlsProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        config.load()
        config.ssl = tls
        self._server = _QuietServer(config)
        self._listening = listening
        self._on_stop = on_stop

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listening.getsockname()[1])

    async def serve(self) -> None:
        """Returns once `stop` was called and requests have ended, or a few seconds later."""
        await self._server.serve(sockets=[self._listening])

    def stop(self) -> None:
        """Accepts no more connections, ends watches, lets requests finish."""
        self._on_stop()
        self._server.should_exit = True


class _QuietServer(uvicorn.Server):
    """Leaves signals to the process (telemetry/run.py)."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
