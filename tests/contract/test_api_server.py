"""The HTTPS server: certificates, the real Kubernetes client, watches, an orderly end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes
import pytest
from cryptography import x509

from tagstream.api.documents.documents import Documents
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.routing import Registry
from tagstream.api.engine.storage import ListPage, ListQuery
from tagstream.api.kinds.configuration import CONFIG_MAPS
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.server.app import build_app
from tagstream.api.server.ports import Headers
from tagstream.api.server.uvicorn_tls import HttpsServer, TlsFiles, build_tls_context, open_socket
from tagstream.api.watch.events import WatchEvent
from tagstream.api.wire.json_types import JsonObject
from tagstream.embedded.certificates import Pki, ensure_pki
from tagstream.errors import InvalidInput, Unavailable

CONFIG_MAP = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x", "uid": "u"}}


class ByCertificate:
    """Takes the common name of the client's certificate for the user."""

    async def authenticate(self, scope: Any, headers: Headers) -> User | None:
        der = scope["extensions"]["tls"]["client_cert"]
        if der is None:
            return None
        certificate = x509.load_der_x509_certificate(der)
        return User(
            str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        )

    async def allowed(self, *asked: Any) -> tuple[bool, str]:
        return True, ""


class OneObject:
    """A storage with one object for every name."""

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        if name == "slow":
            await asyncio.sleep(60)
        if name == "bug":
            raise RuntimeError("the secret is hunter2")
        annotations = {"user": ctx.user.name}
        metadata = {"name": name, "namespace": namespace, "annotations": annotations}
        return {**CONFIG_MAP, "metadata": metadata}

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        return ListPage([CONFIG_MAP], 7)


class QuietSubscription:
    """One event, then nothing until it is closed."""

    position = 8

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def close(self) -> None:
        self.closed.set()

    async def __aiter__(self) -> AsyncIterator[list[WatchEvent]]:
        yield [WatchEvent(8, "MODIFIED", dict(CONFIG_MAP))]
        await self.closed.wait()


class QuietHub:
    def __init__(self) -> None:
        self.opened: list[QuietSubscription] = []

    def subscribe(self, group: str, resource: str, **more: Any) -> QuietSubscription:
        self.opened.append(QuietSubscription())
        return self.opened[-1]


class Served:
    def __init__(self, server: HttpsServer, hub: QuietHub, pki: Pki) -> None:
        self.server, self.hub, self.pki = server, hub, pki
        self.url = f"https://127.0.0.1:{server.port}"

    def client_tls(self, *, certificate: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki.ca_certificate))
        if certificate:
            context.load_cert_chain(self.pki.admin_certificate, self.pki.admin_key)
        return context

    @asynccontextmanager
    async def session(self, *, certificate: bool = True) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=self.client_tls(certificate=certificate))
        async with aiohttp.ClientSession(self.url, connector=connector) as session:
            yield session


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    pki = ensure_pki(tmp_path / "pki", "127.0.0.1")
    registry, hub, access, schemas = Registry(), QuietHub(), ByCertificate(), Schemas()
    registry.register(CONFIG_MAPS.kind, OneObject())  # type: ignore[arg-type]
    app = build_app(
        registry,
        access,
        access,
        hub,
        schemas,
        Documents(lambda: registry.kinds, schemas),
        lambda: datetime.now(UTC),
        ids=uuid.uuid4,
    )
    tls = build_tls_context(TlsFiles(pki.server_certificate, pki.server_key, pki.ca_certificate))
    server = HttpsServer(app, open_socket("127.0.0.1", 0), tls, app.stop)
    running = asyncio.create_task(server.serve())
    yield Served(server, hub, pki)
    server.stop()
    await running


PATH = "/api/v1/namespaces/shop/configmaps"


async def test_the_app_learns_the_certificate_of_its_client(served: Served) -> None:
    async with served.session() as session:
        for _ in range(2):
            reply = await (await session.get(f"{PATH}/x")).json()
            assert reply["metadata"]["annotations"]["user"] == "system:admin"
    async with served.session(certificate=False) as session:
        assert (await session.get(f"{PATH}/x")).status == 401
        assert await (await session.get("/readyz")).text() == "ok"
        assert (await (await session.get("/version")).json())["major"] == "1"


async def test_a_bug_is_answered_without_details_and_a_deadline_with_504(served: Served) -> None:
    async with served.session() as session:
        bug = await session.get(f"{PATH}/bug")
        assert bug.status == 500
        assert "hunter2" not in await bug.text()
        slow = await session.get(f"{PATH}/slow?timeout=100ms")
        assert slow.status == 504
        assert (await slow.json())["message"] == (
            "Timeout: request did not complete within requested timeout - context deadline exceeded"
        )


async def test_a_names_colon_and_at_sign_may_be_encoded(served: Served) -> None:
    async with served.session() as session:
        for name in ("a:b@c", "a%3Ab%40c"):
            reply = await (await session.get(f"{PATH}/{name}")).json()
            assert reply["metadata"]["name"] == "a:b@c"


async def test_the_official_client_lists_and_watches(served: Served) -> None:
    def use_client() -> list[Any]:
        configuration = kubernetes.client.Configuration(host=served.url)
        configuration.ssl_ca_cert = str(served.pki.ca_certificate)
        configuration.cert_file = str(served.pki.admin_certificate)
        configuration.key_file = str(served.pki.admin_key)
        core: Any = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
        listed = core.list_namespaced_config_map("shop")
        watch: Any = kubernetes.watch.Watch()  # type: ignore[no-untyped-call]
        version = listed.metadata.resource_version
        stream = watch.stream(
            core.list_namespaced_config_map, "shop", resource_version=version, timeout_seconds=1
        )
        return [listed.items[0].metadata.name, *(event["type"] for event in stream)]

    assert await asyncio.to_thread(use_client) == ["x", "MODIFIED"]


async def test_a_watch_ends_with_its_client(served: Served) -> None:
    async with served.session() as session:
        reply = await session.get(f"{PATH}?watch=1&resourceVersion=7")
        assert b"MODIFIED" in await reply.content.readline()
        reply.close()
        async with asyncio.timeout(20):
            await served.hub.opened[0].closed.wait()


async def test_a_stop_ends_watches_long_before_its_grace_is_over(served: Served) -> None:
    async with served.session() as session:
        url = f"{PATH}?watch=1&resourceVersion=7&allowWatchBookmarks=true"
        reply = await session.get(url)
        await reply.content.readline()
        started = time.monotonic()
        served.server.stop()
        assert b"BOOKMARK" in await reply.content.read()
        assert time.monotonic() - started < 2


def test_an_address_in_use_and_wrong_files_are_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}"):
            open_socket("127.0.0.1", port)
    with pytest.raises(InvalidInput, match=r"server\.crt"):
        build_tls_context(TlsFiles(tmp_path / "server.crt", tmp_path / "server.key"))
