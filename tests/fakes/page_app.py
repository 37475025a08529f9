"""The api as it is built, on a database, spoken to without a socket as a browser would.

Owns accounts with roles, streams with histories, and requests. Nothing is imported: results of
imports are written as the tag-tracker would write them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tagstream.api.access.bootstrap import apply_bootstrap
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import (
    SystemObject,
    build_account,
    build_binding,
    build_namespace,
    insert_object,
)
from tagstream.api.access.tokens import ISSUER, TokenClaims, TokenKey
from tagstream.api.composition import Api, build_api
from tagstream.api.settings import Settings
from tagstream.events.facts import Fact
from tagstream.store.database import Database
from tagstream.store.journal import Command, transaction
from tagstream.store.resources import delete_resource, load_resource
from tagstream.store.sealing import make_key_line
from tagstream.store.stream_writes import create_stream, delete_stream, save_stream
from tagstream.store.streams import load_stream
from tagstream.streams.image_stream import ImageStream, ImportPolicy
from tagstream.streams.imports import ImportedImage, ImportFailure, TagImport, decide_import

HOST = "tagstream.test:8443"
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
REGISTRY = "registry.test:5000"


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Reply:
    """An answer, as far as it has come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cookie(self) -> str:
        """What a browser would send back."""
        return self.headers.get("set-cookie", "").partition(";")[0]

    async def wait_for(self, text: str, timeout_s: float = 20.0) -> None:
        """Until a stream has sent a text. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while text not in self.text:
                self.grown.clear()
                await self.grown.wait()


class NoImporter:
    async def fetch(self, request: object, *, traceparent: str) -> Mapping[str, object]:
        raise AssertionError("nothing is fetched here")


@dataclass
class PageApp:
    """The whole application."""

    api: Api
    database: Database
    clock: Clock
    key: TokenKey

    async def ask(self, method: str, target: str, **headers: str) -> Reply:
        """One request; underscores in the names of headers are hyphens."""
        return await self.send(method, target, headers, b"", Reply())

    async def post(self, target: str, body: bytes, **headers: str) -> Reply:
        """A form."""
        return await self.send("POST", target, headers, body, Reply())

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, reply: Reply
    ) -> Reply:
        """One request; the reply grows as the answer comes."""
        path, _, query = target.partition("?")
        sent = {"accept": HTML, "host": HOST, **headers}
        if method == "POST":
            sent.setdefault("content-length", str(len(body)))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages and method == "POST":
                return messages.pop()
            await reply.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                reply.body += message["body"]
            reply.grown.set()

        await self.api.app(scope, receive, send)
        return reply

    async def get(self, target: str, token: str, **headers: str) -> Reply:
        """As the owner of a token, without a session."""
        return await self.ask("GET", target, **{"authorization": f"Bearer {token}", **headers})

    async def sign_in(self, token: str, back: str = "/", **headers: str) -> Reply:
        """Sends the form."""
        body = urlencode({"token": token, "back": back}).encode()
        return await self.post("/ui/sign-in", body, **{"origin": f"https://{HOST}", **headers})

    @asynccontextmanager
    async def live(self, target: str, **headers: str) -> AsyncIterator[Reply]:
        """An open stream of events."""
        reply = Reply()
        running = asyncio.create_task(self.send("GET", target, headers, b"", reply))
        try:
            async with asyncio.timeout(20):
                while not reply.status and not running.done():
                    reply.grown.clear()
                    await reply.grown.wait()
            yield reply
        finally:
            reply.left.set()
            await asyncio.wait_for(running, 20)

    def command(self, actor: str = "tester", cause: str = "oc") -> Command:
        return Command(str(uuid.uuid4()), "test", self.clock(), actor, cause)

    async def insert(self, *objects: SystemObject) -> None:
        async with transaction(self.database, self.command()) as tx:
            for one in objects:
                await insert_object(tx, one)

    async def make_namespaces(self, *names: str) -> None:
        await self.insert(*(build_namespace(name) for name in names))

    async def make_token(self, namespace: str, name: str, lifetime: timedelta | None = None) -> str:
        """A new service account's token."""
        async with transaction(self.database, self.command()) as tx:
            change = await insert_object(tx, build_account(namespace, name))
        await self.api.policies.refresh()
        now = self.clock()
        until = now + (lifetime or timedelta(days=30))
        claims = TokenClaims(namespace, name, change.uid, str(uuid.uuid4()), now, until, (ISSUER,))
        return self.key.sign(claims)

    async def bind(
        self, namespace: str, account: str, role: str, *, everywhere: bool = False
    ) -> None:
        """Grants a cluster role, in the account's namespace or in all of them."""
        subject = Subject("ServiceAccount", account, namespace)
        place = "" if everywhere else namespace
        await self.insert(build_binding(place, f"{account}-{role}", role, subject))

    async def remove(self, group: str, resource: str, namespace: str, name: str) -> None:
        async with transaction(self.database, self.command()) as tx:
            row = await load_resource(tx.connection, group, resource, namespace, name, lock=True)
            assert row is not None
            await delete_resource(tx, row)

    async def emit(self, *facts: Fact) -> None:
        async with transaction(self.database, self.command()) as tx:
            for fact in facts:
                tx.emit(fact)

    async def make_stream(self, namespace: str, name: str, *tags: TagImport) -> ImageStream:
        blank = ImageStream(namespace, name, str(uuid.uuid4()), self.clock())
        made = decide_import(blank, tags, self.clock(), REGISTRY)
        async with transaction(self.database, self.command()) as tx:
            await create_stream(tx, made, REGISTRY)
        return made

    async def move(self, namespace: str, name: str, tag: TagImport, **by: str) -> None:
        """What an import does; `by` are the actor and the cause."""
        async with transaction(self.database, self.command(**by)) as tx:
            before = await load_stream(tx.connection, namespace, name, lock=True)
            assert before is not None
            await save_stream(
                tx, before, decide_import(before, [tag], self.clock(), REGISTRY), REGISTRY
            )

    async def delete(self, namespace: str, name: str) -> None:
        async with transaction(self.database, self.command()) as tx:
            stream = await load_stream(
                tx.connection, namespace, name, lock=True, whole_history=True
            )
            assert stream is not None
            await delete_stream(tx, stream, REGISTRY)


def image(number: int) -> ImportedImage:
    """An image whose digest ends with the number."""
    digest = f"sha256:{number:064x}"
    return ImportedImage(f"quay.test/app@{digest}", digest)


def tag_of(name: str, outcome: ImportedImage | ImportFailure, source: str = "") -> TagImport:
    """An import of one tag."""
    return TagImport(name, source or f"quay.test/app:{name}", ImportPolicy(), "Source", outcome)


@asynccontextmanager
async def open_page_app(database: Database, folder: Path) -> AsyncIterator[PageApp]:
    """The api with the namespaces `shop` and `other`, its live feed running."""
    settings, clock = _settings(folder), Clock()
    await apply_bootstrap(database, clock())
    api = build_api(settings, database, NoImporter(), clock, lambda: None)
    await api.policies.load()
    key = TokenKey.from_pem(settings.api_token_key_file.read_bytes())
    app = PageApp(api, database, clock, key)
    await app.make_namespaces("shop", "other")
    running = asyncio.create_task(api.page.run())
    try:
        yield app
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _settings(folder: Path) -> Settings:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "token.key").write_bytes(key)
    (folder / "secret.key").write_text(make_key_line())
    return Settings.model_validate(
        {
            "postgres_url": "postgresql://unused",
            "nats_url": "nats://unused",
            "api_tls_cert_file": folder / "unused",
            "api_tls_key_file": folder / "unused",
            "api_token_key_file": folder / "token.key",
            "secret_key_file": folder / "secret.key",
            "internal_registry": REGISTRY,
        }
    )
