"""The REST verbs, one method each: JSON objects in and out, our errors, bounded sizes and times.

Owns the connections and the authorization header. Does not retry: who calls knows whether that is
safe. Long watches are `watch`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import orjson

from tagstream.errors import Conflict, InvalidInput, Upstream
from tagstream.kube.config import ClusterConfig
from tagstream.kube.errors import MAX_ERROR_BODY_BYTES, Uncertain, classify_answer
from tagstream.kube.patches import PatchOperation
from tagstream.kube.resources import ResourceType
from tagstream.kube.tls import build_ssl_context
from tagstream.telemetry import metrics, names
from tagstream.telemetry.tracing import current_traceparent

KubeObject = dict[str, object]
"""An object as the server sent it."""

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

_TIMEOUT_S = 30.0
_TOKEN_AGE_S = 60.0
_MAX_OBJECT_BYTES = 4 * 1024 * 1024
_MAX_LIST_BYTES = 64 * 1024 * 1024


class _Disconnected(Upstream):
    """The connection ended before an answer."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """Objects of a list, and the version a watch continues from."""

    items: tuple[KubeObject, ...]
    resource_version: str


class KubeClient:
    """One cluster, one identity, one pool of kept-alive connections. An async context manager."""

    def __init__(
        self,
        config: ClusterConfig,
        *,
        max_connections: int = 20,
        user_agent: str = "tagstream",
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._config = config
        self._ssl = build_ssl_context(config) if config.server.startswith("https:") else None
        self._max_connections = max_connections
        self._user_agent = user_agent
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._token = config.token
        self._token_read_at = float("-inf")

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._ssl if self._ssl is not None else True,
                limit=self._max_connections,
                keepalive_timeout=60,
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=10),
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            trust_env=False,
            max_field_size=64 * 1024,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> KubeObject:
        """One object. Raises NotFound."""
        return await self._send("GET", resource.path(namespace, name))

    async def list(
        self, resource: ResourceType, namespace: str | None = None, *, label_selector: str = ""
    ) -> ObjectList:
        """Every object, in the server's order. Raises Expired when paging took too long."""
        items: list[KubeObject] = []
        version = ""
        async for page in self.pages(resource, namespace, label_selector=label_selector):
            items.extend(page.items)
            version = page.resource_version
        return ObjectList(tuple(items), version)

    async def pages(
        self,
        resource: ResourceType,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        page_size: int = 500,
    ) -> AsyncIterator[ObjectList]:
        """The same page by page; every page carries the version that a watch continues from."""
        path = resource.path(namespace)
        params = {"limit": str(page_size)}
        if label_selector:
            params["labelSelector"] = label_selector
        while True:
            page = await self._send("GET", path, params=params, max_bytes=_MAX_LIST_BYTES)
            metadata = page.get("metadata")
            meta = metadata if isinstance(metadata, dict) else {}
            yield ObjectList(_page_items(page, resource), str(meta.get("resourceVersion", "")))
            if not meta.get("continue"):
                return
            params["continue"] = str(meta["continue"])

    async def create(
        self,
        resource: ResourceType,
        namespace: str | None,
        body: Mapping[str, object],
        *,
        below: tuple[str, str] = ("", ""),
    ) -> KubeObject:
        """Store a new object; `below` names an object and a subresource of it that is created.

        Raises Conflict when the name is taken.
        """
        path = resource.path(namespace, *below)
        return await self._send("POST", path, orjson.dumps(body))

    async def update(
        self,
        resource: ResourceType,
        namespace: str | None,
        name: str,
        body: Mapping[str, object],
        *,
        subresource: str = "",
    ) -> KubeObject:
        """Replace an object, or its `status` alone.

        Raises Conflict when its resourceVersion is not the newest.
        """
        path = resource.path(namespace, name, subresource)
        return await self._send("PUT", path, orjson.dumps(body))

    async def patch(
        self,
        resource: ResourceType,
        namespace: str | None,
        name: str,
        patch: Sequence[PatchOperation] | Mapping[str, object],
    ) -> KubeObject:
        """Change an object: operations are a JSON patch, a mapping is a merge patch.

        A `test` operation that fails raises InvalidInput or Conflict, as the server prefers; and
        Uncertain, a Conflict, if the patch had to be sent twice.
        """
        kind = MERGE_PATCH if isinstance(patch, Mapping) else JSON_PATCH
        path, body = resource.path(namespace, name), orjson.dumps(patch)
        try:
            return await self._send("PATCH", path, body, content_type=kind)
        except _Disconnected:
            # Mostly a kept-alive connection that the server closed as we wrote to it. Patches of
            # members may be sent twice; other verbs are repeated by the HTTP library or not at all.
            return await self._send_again(path, body, kind)

    async def _send_again(self, path: str, body: bytes, kind: str) -> KubeObject:
        try:
            return await self._send("PATCH", path, body, content_type=kind)
        except (InvalidInput, Conflict) as error:
            raise Uncertain(str(error)) from error

    async def delete(
        self, resource: ResourceType, namespace: str | None, name: str, *, uid: str = ""
    ) -> KubeObject:
        """Delete an object, with `uid` only that very one. Raises NotFound or Conflict."""
        options = {"preconditions": {"uid": uid}} if uid else {}
        body = orjson.dumps({"kind": "DeleteOptions", "apiVersion": "v1", **options})
        return await self._send("DELETE", resource.path(namespace, name), body)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], *, idle_s: float, total_s: float
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """An answer that is read line by line; silence of `idle_s` raises Upstream (transient)."""
        limits = aiohttp.ClientTimeout(total=total_s, connect=10, sock_read=idle_s)
        async with self._request("GET", path, params=params, limits=limits) as answer:
            yield answer.content

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        max_bytes: int = _MAX_OBJECT_BYTES,
    ) -> KubeObject:
        headers = {"Content-Type": content_type} if body is not None else {}
        with metrics.timed(names.KUBE_REQUEST_DURATION, verb=method):
            async with self._request(
                method, path, data=body, params=params, headers=headers
            ) as answer:
                content = await _read_bounded(answer, max_bytes)
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise Upstream(f"{method} {path}: the cluster's answer is not JSON") from error
        if not isinstance(found, dict):
            raise Upstream(f"{method} {path}: the cluster's answer is not an object")
        return found

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        limits: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("the client is closed")
        code = 0
        try:
            async with self._session.request(
                method,
                self._config.server + path,
                data=data,
                params=params,
                headers={**(headers or {}), **self._identity()},
                timeout=limits or self._session.timeout,
                allow_redirects=False,
                server_hostname=self._config.tls_server_name or None,
            ) as answer:
                code = answer.status
                if not 200 <= code < 300:
                    content = await answer.content.read(MAX_ERROR_BODY_BYTES)
                    wait = answer.headers.get("Retry-After", "")
                    raise classify_answer(
                        code, content, f"{method} {path}", float(wait) if wait.isdigit() else None
                    )
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer(method, path, error) from error
        finally:
            metrics.add(names.KUBE_REQUESTS, verb=method, code=str(code))

    def _identity(self) -> dict[str, str]:
        headers = {}
        token = self._current_token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        traceparent = current_traceparent()
        if traceparent:
            headers["traceparent"] = traceparent
        return headers

    def _current_token(self) -> str:
        path = self._config.token_file
        if path is not None and time.monotonic() - self._token_read_at > _TOKEN_AGE_S:
            try:
                self._token = path.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInput("user.tokenFile", f"cannot read {path}: {error}") from error
            self._token_read_at = time.monotonic()
        return self._token


async def _read_bounded(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > max_bytes:
            raise Upstream(f"{answer.url.path}: the answer is larger than {max_bytes} bytes")
    return bytes(content)


def _page_items(page: KubeObject, resource: ResourceType) -> tuple[KubeObject, ...]:
    items = page.get("items")
    if items is None:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Upstream(f"the list of {resource.plural} has no proper items")
    # Items of a list carry neither kind nor apiVersion on real servers.
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    return tuple({**item, **kind} for item in items)


def _no_answer(method: str, path: str, error: Exception) -> Upstream:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return Upstream(f"{method} {path}: TLS to the cluster failed: {error}")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return _Disconnected(f"{method} {path}: the cluster hung up", transient=True)
    reason = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return Upstream(f"{method} {path}: the cluster does not answer: {reason}", transient=True)
