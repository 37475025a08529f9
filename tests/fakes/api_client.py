"""The api's application with its generic kinds, without a socket, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson

from tagstream.api.documents.documents import Documents
from tagstream.api.engine.applying import merge_applied
from tagstream.api.engine.context import User
from tagstream.api.engine.routing import Registry
from tagstream.api.kinds.core import register_generic_kinds
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.server.app import App, build_app
from tagstream.api.server.ports import Headers
from tagstream.api.watch.hub import JournalHub
from tagstream.store.database import Database
from tagstream.store.sealing import AesGcmSealer

NS = "/api/v1/namespaces"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf,application/json"


class Everybody:
    """Knows a caller by `x-user`; may do all except in the namespace `closed`."""

    async def authenticate(self, scope: Any, headers: Headers) -> User | None:
        name = headers.get(b"x-user")
        return User(name) if name else None

    async def allowed(
        self,
        user: User,
        verb: str,
        group: str,
        resource: str,
        subresource: str,
        namespace: str,
        name: str,
    ) -> tuple[bool, str]:
        return namespace != "closed", ""


class Reply:
    """What came back, while it comes and afterwards."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.done = asyncio.Event()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[Any]:
        return [orjson.loads(line) for line in self.body.splitlines()]

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Client:
    """Speaks ASGI to the application, without a socket."""

    def __init__(self, app: App, database: Database) -> None:
        self.app = app
        self.database = database

    async def send(
        self,
        method: str,
        path: str,
        body: Any = b"",
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
        user: str = "ann",
    ) -> Reply:
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = [
            (b"accept", accept.encode()),
            (b"content-type", content_type.encode()),
            (b"x-user", user.encode()),
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        reply, asked = Reply(), False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked and method != "GET":
                asked = True
                return {"type": "http.request", "body": data, "more_body": False}
            await reply.done.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status, reply.headers = message["status"], message["headers"]
            else:
                reply.body += message["body"]

        await self.app(scope, receive, send)
        reply.done.set()
        return reply

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Reply:
        return await self.send("POST", path, body, **more)

    async def patch(self, path: str, body: Any, kind: str = "merge-patch") -> Reply:
        return await self.send("PATCH", path, body, content_type=f"application/{kind}+json")

    async def make_namespace(self, name: str) -> None:
        assert (await self.post(NS, {"metadata": {"name": name}})).status == 201


@asynccontextmanager
async def opened(url: str, *, applies: bool = False) -> AsyncIterator[Client]:
    database = await Database.connect(url, name="test")
    hub = JournalHub(database, {})
    registry = Registry()
    register_generic_kinds(registry, database, AesGcmSealer([b"k" * 32]))
    everybody, schemas = Everybody(), Schemas()
    documents = Documents(lambda: registry.kinds, schemas)
    app = build_app(
        registry,
        everybody,
        everybody,
        hub,
        schemas,
        documents,
        lambda: datetime.now(UTC),
        apply=merge_applied if applies else None,
    )
    running = asyncio.create_task(hub.run())
    client = Client(app, database)
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()


def deployment(name: str = "web", image: str = "placeholder:1") -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
