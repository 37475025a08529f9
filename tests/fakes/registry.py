"""An in-process registry that speaks the distribution API, and misbehaves on demand.

It serves what `fakes.images` builds. It takes no pushes over HTTP: use the `add_` methods. Start it
in a running loop (`async with FakeRegistry() as registry`) or, from blocking code, with
`start_in_thread`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from fakes.certificates import write_self_signed
from fakes.images import (
    DEFAULT_PLATFORMS,
    BuiltImage,
    BuiltIndex,
    build_image,
    build_index,
    sha256_digest,
)
from fakes.misbehaviours import Misbehaviour

_PATH = re.compile(r"/v2/(?P<repo>.+)/(?P<kind>manifests|blobs|tags)/(?P<ref>[^/]+)")
_VERSION_HEADER = {"Docker-Distribution-API-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    authorization: str
    host: str


class _Server:
    """A web server on a free port of 127.0.0.1, and its log."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[LoggedRequest] = []
        self.port = 0
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def host(self) -> str:
        """`127.0.0.1:port`, as a pull spec's registry."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    def paths(self, prefix: str = "") -> list[str]:
        """The paths asked for so far, in order."""
        return [r.path for r in self.requests if r.path.startswith(prefix)]

    async def start(self) -> None:
        """Listen in the running loop."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._log_and_handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def start_in_thread(self) -> None:
        """Listen in a thread of its own; for callers without a loop."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result(10)

    def stop_in_thread(self) -> None:
        """The counterpart of `start_in_thread`."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _log_and_handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            LoggedRequest(
                request.method,
                request.path,
                dict(request.query),
                request.headers.get("Authorization", ""),
                request.host,
            )
        )
        return await self.handle(request)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError


class FakeTokenServer(_Server):
    """Hands out bearer tokens; may serve registries on other ports.

    Anonymous callers get a token for `public` repositories only; `refusal` is the body for a wrong
    password.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        *,
        public: Sequence[str] = (),
        refusal: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self.users = dict(users or {})
        self.public = list(public)
        self.refusal = refusal or {"details": "incorrect username or password"}
        self.tokens: dict[str, str] = {}
        self.expires_in = 300

    def revoke_all(self) -> None:
        """Make every token handed out so far invalid."""
        self.tokens.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        scope = request.query.get("scope", "")
        if authorization:
            if not _is_login_of(self.users, authorization):
                return web.json_response(self.refusal, status=401)
        elif scope not in {f"repository:{name}:pull" for name in self.public}:
            return _error(401, "UNAUTHORIZED", "authentication required")
        token = f"token-{len(self.requests)}-{scope}"
        self.tokens[token] = scope
        return web.json_response({"token": token, "expires_in": self.expires_in})


@dataclass(slots=True)
class _Trap:
    pattern: re.Pattern[str]
    behave: Misbehaviour
    times: int | None


@dataclass(slots=True)
class _Stored:
    content_type: str
    raw: bytes


@dataclass(slots=True)
class _Repository:
    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, _Stored] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


class FakeRegistry(_Server):
    """A registry of small images.

    Open to everybody unless `basic` (user to password) or `token_server` is set. `page_size` cuts
    tag lists into `Link`ed pages.
    """

    def __init__(
        self,
        *,
        basic: Mapping[str, str] | None = None,
        token_server: FakeTokenServer | None = None,
        tls: ssl.SSLContext | None = None,
        page_size: int = 0,
    ) -> None:
        super().__init__(tls)
        self.basic = basic
        self.token_server = token_server
        self.page_size = page_size
        self._repositories: dict[str, _Repository] = {}
        self._traps: list[_Trap] = []

    def add_image(
        self,
        repository: str,
        tag: str,
        *,
        seed: str | None = None,
        labels: Mapping[str, str] | None = None,
        env: Sequence[str] = ("PATH=/usr/bin:/bin",),
        platform: str = "linux/amd64",
        oci: bool = False,
    ) -> str:
        """Hold a small image under a tag and its digest; returns the digest."""
        seed = f"{repository}:{tag}" if seed is None else seed
        built = build_image(seed, labels=labels, env=env, platform=platform, oci=oci)
        return self.add_built(repository, tag, built)

    def add_index(
        self,
        repository: str,
        tag: str,
        *,
        platforms: Sequence[str] = DEFAULT_PLATFORMS,
        oci: bool = False,
        with_media_type: bool = True,
    ) -> str:
        """Hold a list with one image a platform; returns the list's digest."""
        children = [
            build_image(f"{repository}:{tag}-{index}-{platform}", platform=platform, oci=oci)
            for index, platform in enumerate(platforms)
        ]
        built = build_index(children, oci=oci, with_media_type=with_media_type)
        return self.add_built(repository, tag, built)

    def add_built(self, repository: str, tag: str, built: BuiltImage | BuiltIndex) -> str:
        """Hold what `fakes.images` built, children included."""
        for child in built.children if isinstance(built, BuiltIndex) else ():
            self.add_built(repository, "", child)
        for blob in built.blobs if isinstance(built, BuiltImage) else ():
            self._repository(repository).blobs[sha256_digest(blob)] = blob
        return self.add_manifest(repository, tag, built.manifest, built.media_type)

    def add_manifest(self, repository: str, tag: str, raw: bytes, content_type: str) -> str:
        """Hold any bytes as a manifest; an empty tag leaves it reachable by digest only."""
        digest = sha256_digest(raw)
        self._repository(repository).manifests[digest] = _Stored(content_type, raw)
        if tag:
            self._repository(repository).tags[tag] = digest
        return digest

    def remove_manifest(self, repository: str, digest: str) -> None:
        """Forget a manifest; what names it stays."""
        del self._repository(repository).manifests[digest]

    def remove_blob(self, repository: str, digest: str) -> None:
        """Forget a blob; what names it stays."""
        del self._repository(repository).blobs[digest]

    def misbehave(self, pattern: str, behave: Misbehaviour, *, times: int | None = None) -> None:
        """On paths that match the regular expression from their start, `times` times or for ever.

        The first matching one that is not used up acts.
        """
        self._traps.append(_Trap(re.compile(pattern), behave, times))

    def behave(self) -> None:
        """Stop all misbehaviour."""
        self._traps.clear()

    def _repository(self, name: str) -> _Repository:
        return self._repositories.setdefault(name, _Repository())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        for trap in self._traps:
            if trap.times == 0 or not trap.pattern.match(request.path):
                continue
            if trap.times is not None:
                trap.times -= 1
            response = await trap.behave(request)
            if response is not None:
                return response
            break
        return self._challenge(request) or self._serve(request)

    def _challenge(self, request: web.Request) -> web.Response | None:
        authorization = request.headers.get("Authorization", "")
        if self.basic is not None and not _is_login_of(self.basic, authorization):
            challenge = 'Basic realm="fake registry"'
        elif self.token_server is not None and not self._has_token(request, authorization):
            realm = f"{self.token_server.url}/token"
            challenge = f'Bearer realm="{realm}",service="{self.host}"'
        else:
            return None
        headers = {"WWW-Authenticate": challenge, **_VERSION_HEADER}
        return _error(401, "UNAUTHORIZED", "authentication required", headers)

    def _has_token(self, request: web.Request, authorization: str) -> bool:
        assert self.token_server is not None
        scope = self.token_server.tokens.get(authorization.removeprefix("Bearer "))
        found = _PATH.fullmatch(request.path)
        return scope is not None and (found is None or scope == f"repository:{found['repo']}:pull")

    def _serve(self, request: web.Request) -> web.Response:
        if request.path == "/v2/":
            return web.json_response({}, headers=_VERSION_HEADER)
        found = _PATH.fullmatch(request.path)
        if found is None:
            return web.Response(status=404)
        repository = self._repositories.get(found["repo"])
        if found["kind"] == "tags":
            return self._serve_tags(request, found["repo"], repository)
        if found["kind"] == "manifests":
            return _serve_manifest(repository, found["ref"])
        blob = repository.blobs.get(found["ref"]) if repository else None
        if blob is None:
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return web.Response(body=blob, headers={"Content-Type": "application/octet-stream"})

    def _serve_tags(
        self, request: web.Request, name: str, repository: _Repository | None
    ) -> web.Response:
        if repository is None:
            return _error(404, "NAME_UNKNOWN", "repository name not known to registry")
        last = request.query.get("last", "")
        tags = [tag for tag in sorted(repository.tags) if tag > last]
        headers = {}
        if self.page_size and len(tags) > self.page_size:
            tags = tags[: self.page_size]
            target = f"/v2/{name}/tags/list?last={tags[-1]}&n={self.page_size}"
            headers["Link"] = f'<{target}>; rel="next"'
        return web.json_response({"name": name, "tags": tags}, headers=headers)


def _serve_manifest(repository: _Repository | None, reference: str) -> web.Response:
    digest = repository.tags.get(reference, reference) if repository else reference
    stored = repository.manifests.get(digest) if repository else None
    if stored is None:
        return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
    headers = {"Docker-Content-Digest": digest, "Content-Type": stored.content_type}
    return web.Response(body=stored.raw, headers=headers)


def _is_login_of(users: Mapping[str, str], authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    if scheme != "Basic":
        return False
    user, _, password = base64.b64decode(encoded).decode().partition(":")
    return users.get(user) == password


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    described = {"Content-Type": "application/json", **(headers or {})}
    return web.Response(status=status, body=body, headers=described)


def build_self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context for 127.0.0.1 and its certificate as a PEM file, to trust or not."""
    certificate, key = write_self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
