"""Runs a whole stack with real servers and tiny services, as a program: for tests that kill it.

python stack_driver.py up DIR          like `tagstream up --port 0`, with the services below
python stack_driver.py service MODULE  one of them
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tagstream.embedded.datadir import DataDir
from tagstream.embedded.services import parse_replicas
from tagstream.embedded.stack import StackOptions, run_stack
from tagstream.errors import TagstreamError


class _Answer(BaseHTTPRequestHandler):
    def _send(self, code: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._send(200 if self.path == "/readyz" else 404, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if "/serviceaccounts/" in self.path and self.path.endswith("/token"):
            self._send(201, {"status": {"token": "a-token"}})
        else:
            self._send(404, {"message": f"no {self.path}"})

    def log_message(self, format: str, *args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    allow_reuse_port = True


def _serve(module: str) -> None:
    if module == "store.migrate":
        return
    if module == "trigger_dispatcher":
        assert "a-token" in Path(os.environ["TAGSTREAM_KUBECONFIG"]).read_text()
    if module == "api":
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=os.environ["TAGSTREAM_API_CLIENT_CA_FILE"]
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(
            os.environ["TAGSTREAM_API_TLS_CERT_FILE"], os.environ["TAGSTREAM_API_TLS_KEY_FILE"]
        )
        address = (os.environ["TAGSTREAM_API_HOST"], int(os.environ["TAGSTREAM_API_PORT"]))
        secure = _Server(address, _Answer)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        threading.Thread(target=secure.serve_forever, daemon=True).start()
    health = ("127.0.0.1", int(os.environ["TAGSTREAM_HEALTH_PORT"]))
    ThreadingHTTPServer(health, _Answer).serve_forever()


class _Narrator:
    def step(self, text: str) -> None:
        print(f"step {text}", flush=True)

    def notice(self, text: str) -> None:
        print(f"notice {text}", flush=True)

    def ready(self, url: str, directory: DataDir) -> None:
        print(f"ready {url}", flush=True)


def _command(module: str) -> list[str]:
    return [sys.executable, __file__, "service", module]


def main() -> None:
    if sys.argv[1] == "service":
        _serve(sys.argv[2])
        return
    options = StackOptions(
        data_dir=Path(sys.argv[2]),
        host="127.0.0.1",
        port=0,
        replicas=parse_replicas(["api=2"]),
        command=_command,
    )
    try:
        asyncio.run(run_stack(options, _Narrator()))
    except TagstreamError as error:
        sys.exit(f"tagstream: {error}")


if __name__ == "__main__":
    main()
