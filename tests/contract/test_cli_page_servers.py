"""`tagstream page` and `triggers` with a stack and another cluster: only the one that is meant."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fakes.page_app import open_page_app
from tagstream.cli.page import page
from tagstream.cli.triggers import triggers
from tagstream.errors import InvalidInput
from tagstream.store.database import Database

ICON = "/ui/static/icon.svg"


@dataclass
class Server:
    """A cluster on plain HTTP: `files` are sent to whoever asks, and everything else is made."""

    url: str
    files: dict[str, bytes]
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def made(self) -> list[str]:
        return [path for method, path in self.asked if method == "POST"]


@contextmanager
def run_server(files: dict[str, bytes]) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(("GET", self.path))
            found = server.files.get(self.path)
            if found is None and self.path.startswith("/apis/tagstream.dev/"):
                found = b'{"items": [], "metadata": {}}'
            missing = b'{"kind": "Status", "message": "the path is not found"}'
            self._answer(404 if found is None else 200, found or missing)

        def do_POST(self) -> None:
            server.asked.append(("POST", self.path))
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(201, json.dumps({"status": {"token": "a-token"}}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = Server(f"http://127.0.0.1:{http.server_port}", files)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield server
        http.shutdown()


@dataclass
class Clusters:
    """A stack of ours, and a cluster that `KUBECONFIG` names."""

    own: Server
    other: Server
    stack: Path


@pytest.fixture
async def icon(database: Database, tmp_path: Path) -> bytes:
    """What the real api sends to somebody without any credentials."""
    async with open_page_app(database, tmp_path) as app:
        answer = await app.ask("GET", ICON)
    assert answer.status == 200
    return answer.body


@pytest.fixture
def clusters(icon: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clusters]:
    with run_server({ICON: icon}) as own, run_server({}) as other:
        stack = tmp_path / "stack"
        stack.mkdir()
        (stack / "kubeconfig").write_text(kubeconfig(own.url))
        (tmp_path / "other").write_text(kubeconfig(other.url))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))
        monkeypatch.setenv("TAGSTREAM_DATA_DIR", str(stack))
        yield Clusters(own, other, stack)


def kubeconfig(url: str) -> str:
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
    )


def test_a_data_directory_that_is_named_counts_before_kubeconfig(clusters: Clusters) -> None:
    said = CliRunner().invoke(page, ["--data-dir", str(clusters.stack)])
    assert said.exit_code == 0, said.exception
    assert said.output == f"{clusters.own.url}/\na-token\n"
    assert len(clusters.own.made) == 3
    said = CliRunner().invoke(triggers, ["status", "--data-dir", str(clusters.stack)])
    assert said.output == "triggers are not paused anywhere\n"
    assert clusters.other.asked == []


@pytest.mark.parametrize("account", [[], ["--account", "shop/developer"]])
@pytest.mark.parametrize("answer", [None, b"<html>a page that answers to everything</html>"])
def test_nothing_is_made_in_a_cluster_of_somebody_else(
    clusters: Clusters, account: list[str], answer: bytes | None
) -> None:
    if answer is not None:
        clusters.other.files[ICON] = answer
    said = CliRunner().invoke(page, account)
    assert isinstance(said.exception, InvalidInput)
    assert f"{clusters.other.url} is not a Tagstream api, so nothing was made" in str(
        said.exception
    )
    assert said.output == ""
    assert clusters.other.asked == [("GET", ICON)]
    assert clusters.own.asked == []


def test_a_tagstream_that_kubeconfig_names_is_used(clusters: Clusters, icon: bytes) -> None:
    clusters.other.files[ICON] = icon
    said = CliRunner().invoke(page, [])
    assert said.exit_code == 0, said.exception
    assert said.output.startswith(clusters.other.url)
    assert clusters.own.asked == []
