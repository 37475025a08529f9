"""The yardstick of reads: the api's own HTTPS server with an application that does nothing.

Run as a process of its own: python -m bench.constant CERT KEY CA BODY_FILE; prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench import ROOT
from tagstream.api.server.uvicorn_tls import (
    HttpsServer,
    TlsFiles,
    build_tls_context,
    open_socket,
)
from tagstream.embedded.certificates import Pki


async def _serve(certificate: str, key: str, ca: str, body_file: str) -> None:
    body = await asyncio.to_thread(Path(body_file).read_bytes)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]

    async def answer(
        scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    tls = build_tls_context(TlsFiles(Path(certificate), Path(key), Path(ca)))
    server = HttpsServer(answer, open_socket("127.0.0.1", 0), tls, lambda: None)
    print(server.port, flush=True)
    await server.serve()


@asynccontextmanager
async def run_constant(pki: Pki, body: bytes, folder: Path) -> AsyncIterator[int]:
    """Serves `body` at every path until the block ends; yields the port."""
    body_file = folder / "constant.json"
    body_file.write_bytes(body)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.constant"),
        *(str(pki.server_certificate), str(pki.server_key)),
        *(str(pki.ca_certificate), str(body_file)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:5]))
