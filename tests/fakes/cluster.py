"""A small Kubernetes-style server in this process: objects, versions, watches, and faults on wish.

Serves any resource; knows nothing of schemas. `Cluster.requests` is what was asked, in order.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Key = tuple[str, str, str]
"""Collection path without namespace (`/apis/apps/v1/deployments`), namespace, name."""


@dataclass
class Cluster:
    """What the server holds. `oldest` is the first version a watch may start after; `loses` says
    of which requests the answer gets lost. Patches count the generation of who has one."""

    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[int, str, str, dict[str, Any]]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    version: int = 10
    oldest: int = 0
    url: str = ""
    fault: Callable[[web.Request], web.Response | None] = lambda _: None
    loses: Callable[[web.Request], bool] = lambda _: False
    watch_lines: list[bytes] = field(default_factory=list)
    watches: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def put(self, collection: str, body: dict[str, Any]) -> dict[str, Any]:
        """Store an object as if somebody had just written it; wake the watches."""
        meta = body.setdefault("metadata", {})
        key = (collection, meta.get("namespace", ""), meta["name"])
        self.version += 1
        meta["resourceVersion"] = str(self.version)
        meta.setdefault("uid", f"uid-{self.version}")
        kind = "MODIFIED" if key in self.objects else "ADDED"
        self.objects[key] = body
        self._tell(kind, collection, body)
        return body

    def remove(self, key: Key) -> None:
        """Delete an object as if somebody had."""
        self.version += 1
        body = self.objects.pop(key)
        body["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", key[0], body)

    def _tell(self, kind: str, collection: str, body: dict[str, Any]) -> None:
        self.log.append((self.version, kind, collection, copy.deepcopy(body)))
        asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def status(code: int, reason: str, message: str) -> web.Response:
    """A Status answer as an API server gives it."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason}
    return web.json_response({**body, "message": message}, status=code)


@asynccontextmanager
async def run_cluster(tls: ssl.SSLContext | None = None) -> AsyncIterator[Cluster]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    cluster = Cluster()

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _handle(cluster, request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    cluster.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield cluster
    finally:
        await runner.cleanup()


def _parse_path(path: str) -> tuple[str, str, str]:
    parts = path.strip("/").split("/")
    head = 2 if parts[0] == "api" else 3
    rest, namespace = parts[head:], ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    return "/" + "/".join([*parts[:head], rest[0]]), namespace, rest[1] if rest[1:] else ""


async def _handle(cluster: Cluster, request: web.Request) -> web.StreamResponse:
    cluster.requests.append((request.method, request.path_qs))
    cluster.headers.append(dict(request.headers))
    refused = cluster.fault(request)
    if refused is not None:
        return refused
    collection, namespace, name = _parse_path(request.path)
    if not name and request.method == "GET":
        if request.query.get("watch") == "true":
            return await _watch(cluster, request, collection)
        return _list(cluster, request, collection, namespace)
    body: Any = await request.json() if request.can_read_body else {}
    if request.method == "POST":
        name = body["metadata"]["name"]
        if (collection, namespace, name) in cluster.objects:
            return status(409, "AlreadyExists", f"{name} already exists")
        return web.json_response(cluster.put(collection, body), status=201)
    answer = _one(cluster, request.method, (collection, namespace, name), body)
    if cluster.loses(request) and request.transport is not None:
        request.transport.close()
    return answer


def _one(cluster: Cluster, method: str, key: Key, body: Any) -> web.Response:
    found = cluster.objects.get(key)
    if found is None:
        return status(404, "NotFound", f"{key[2]} not found")
    if method == "GET":
        return web.json_response(found)
    if method == "DELETE":
        cluster.remove(key)
        return web.json_response({"kind": "Status", "status": "Success"})
    if method == "PUT":
        if body["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
            return status(409, "Conflict", "the object has been modified")
        return web.json_response(cluster.put(key[0], body))
    return _patch(cluster, key, found, body)


def _patch(cluster: Cluster, key: Key, found: dict[str, Any], body: Any) -> web.Response:
    changed = copy.deepcopy(found)
    if isinstance(body, dict):
        changed.update(body)
    else:
        refusal = _apply(changed, body)
        if refusal:
            return status(422, "Invalid", refusal)
    if "generation" in changed["metadata"] and changed.get("spec") != found.get("spec"):
        changed["metadata"]["generation"] += 1
    return web.json_response(cluster.put(key[0], changed))


def _apply(target: Any, operations: list[dict[str, Any]]) -> str:
    for operation in operations:
        *parents, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        at = target
        try:
            for part in parents:
                at = at[int(part)] if isinstance(at, list) else at[part]
            if operation["op"] == "test":
                if at[last] != operation["value"]:
                    return f"testing value {operation['path']} failed"
            else:
                at[last] = operation["value"]
        except (KeyError, IndexError):
            return f"path {operation['path']} does not exist"
    return ""


def _list(cluster: Cluster, request: web.Request, collection: str, namespace: str) -> web.Response:
    found = [
        {k: v for k, v in body.items() if k not in ("kind", "apiVersion")}
        for key, body in sorted(cluster.objects.items())
        if key[0] == collection and namespace in ("", key[1])
    ]
    start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 1000))
    more = {"continue": str(start + limit)} if start + limit < len(found) else {}
    return web.json_response(
        {
            "kind": "List",
            "metadata": {"resourceVersion": str(cluster.version), **more},
            "items": found[start : start + limit],
        }
    )


async def _watch(cluster: Cluster, request: web.Request, collection: str) -> web.StreamResponse:
    cluster.watches += 1
    after = int(request.query.get("resourceVersion") or 0)
    if after < cluster.oldest:
        return status(410, "Expired", "too old resource version")
    answer = web.StreamResponse()
    await answer.prepare(request)
    if cluster.watch_lines:
        await answer.write(cluster.watch_lines.pop(0))
        return answer
    while True:
        # More may happen while these are written.
        told = cluster.version
        for version, kind, where, body in list(cluster.log):
            if version > after and where == collection:
                line = json.dumps({"type": kind, "object": body})
                await answer.write(line.encode() + b"\n")
        after = told
        async with cluster.changed:
            if cluster.version == after:
                await cluster.changed.wait()
