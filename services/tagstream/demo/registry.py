"""A small registry on 127.0.0.1 that takes pushes: the distribution API, kept in memory.

Owns the HTTP side, so that `skopeo` and our importer use it like any registry. There is no
authentication and nothing outlives the process. What may be stored is decided in blobs.py.
"""

from __future__ import annotations

import json
import re
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiohttp import web

from tagstream.demo.blobs import (
    MAX_BLOB_BYTES,
    MAX_MANIFEST_BYTES,
    Manifest,
    Refused,
    Repository,
    check_name,
)

_PATH = re.compile(
    r"/v2/(?P<name>.+?)/(?:blobs/uploads/(?P<upload>[^/]*)"
    r"|blobs/(?P<blob>[^/]+)|manifests/(?P<reference>[^/]+)|(?P<tags>tags/list))"
)
_VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}


class DemoRegistry:
    """Serves from `async with` to its end, on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._repositories: dict[str, Repository] = {}
        self._uploads: dict[str, bytearray] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:port`, as pull specs begin."""
        return f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BLOB_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            answer = await self._route(request)
        except Refused as refused:
            answer = _error(refused)
        answer.headers.update(_VERSION)
        return answer

    async def _route(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/v2", "/v2/"):
            return web.json_response({})
        found = _PATH.fullmatch(request.path)
        if found is None:
            raise Refused(404, "UNSUPPORTED", f"{request.path} is not served here")
        check_name(found["name"])
        if request.method in ("GET", "HEAD"):
            return self._read(request, found)
        repository = self._repositories.setdefault(found["name"], Repository(found["name"]))
        if found["upload"] is not None:
            return await self._upload(request, repository, found["upload"])
        if found["reference"] is not None and request.method == "PUT":
            return await _put_manifest(request, repository, found["reference"])
        raise _not_supported(request)

    def _read(self, request: web.Request, found: re.Match[str]) -> web.StreamResponse:
        repository = self._repositories.get(found["name"])
        if repository is None:
            raise Refused(404, "NAME_UNKNOWN", f"there is no repository {found['name']}")
        if found["tags"] is not None:
            return _tag_page(repository, request)
        if found["blob"] is not None:
            content = repository.load_blob(found["blob"])
            return _content(request, content, "application/octet-stream", found["blob"])
        if found["reference"] is not None:
            manifest = repository.load_manifest(found["reference"])
            return _content(request, manifest.raw, manifest.content_type, manifest.digest)
        return self._upload_status(repository, found["upload"])

    async def _upload(
        self, request: web.Request, repository: Repository, upload: str
    ) -> web.StreamResponse:
        if request.method == "POST" and not upload:
            return await self._start_upload(request, repository)
        received = self._received(upload)
        if request.method == "DELETE":
            del self._uploads[upload]
            return web.Response(status=204)
        if request.method not in ("PATCH", "PUT"):
            raise _not_supported(request)
        _check_range(request, len(received))
        received += await request.read()
        if request.method == "PATCH":
            return self._upload_status(repository, upload, 202)
        del self._uploads[upload]
        return _save_blob(request, repository, bytes(received))

    async def _start_upload(
        self, request: web.Request, repository: Repository
    ) -> web.StreamResponse:
        """The whole blob at once, one that another repository has, or a session for more."""
        if "digest" in request.query:
            return _save_blob(request, repository, await request.read())
        mount = request.query.get("mount", "")
        source = self._repositories.get(request.query.get("from", ""))
        if source is not None and mount in source.blobs:
            repository.save_blob(mount, source.blobs[mount])
            return _created(f"/v2/{repository.name}/blobs/{mount}", mount)
        upload = uuid4().hex
        self._uploads[upload] = bytearray()
        return self._upload_status(repository, upload, 202)

    def _upload_status(
        self, repository: Repository, upload: str, status: int = 204
    ) -> web.StreamResponse:
        size_bytes = len(self._received(upload))
        headers = {
            "Location": f"/v2/{repository.name}/blobs/uploads/{upload}",
            "Docker-Upload-UUID": upload,
            "Range": f"0-{max(size_bytes - 1, 0)}",
        }
        return web.Response(status=status, headers=headers)

    def _received(self, upload: str) -> bytearray:
        received = self._uploads.get(upload)
        if received is None:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; start it again")
        return received


def _save_blob(request: web.Request, repository: Repository, content: bytes) -> web.StreamResponse:
    digest = request.query.get("digest", "")
    repository.save_blob(digest, content)
    return _created(f"/v2/{repository.name}/blobs/{digest}", digest)


async def _put_manifest(
    request: web.Request, repository: Repository, reference: str
) -> web.StreamResponse:
    raw = await request.read()
    if len(raw) > MAX_MANIFEST_BYTES:
        raise Refused(413, "MANIFEST_INVALID", f"more than {MAX_MANIFEST_BYTES} bytes")
    manifest: Manifest = repository.save_manifest(reference, raw, request.content_type)
    return _created(f"/v2/{repository.name}/manifests/{manifest.digest}", manifest.digest)


def _tag_page(repository: Repository, request: web.Request) -> web.StreamResponse:
    last, wanted = request.query.get("last", ""), request.query.get("n", "")
    if wanted and not wanted.isdecimal():
        raise Refused(400, "PAGINATION_NUMBER_INVALID", f"n={wanted} is not a number")
    names = [name for name in sorted(repository.tags) if name > last]
    page = names[: int(wanted)] if wanted else names
    headers = {}
    if page and len(page) < len(names):
        link = f"/v2/{repository.name}/tags/list?n={wanted}&last={page[-1]}"
        headers["Link"] = f'<{link}>; rel="next"'
    return web.json_response({"name": repository.name, "tags": page}, headers=headers)


def _content(
    request: web.Request, content: bytes, content_type: str, digest: str
) -> web.StreamResponse:
    headers = {"Content-Type": content_type, "Docker-Content-Digest": digest}
    if request.method == "HEAD":
        return web.Response(headers={**headers, "Content-Length": str(len(content))})
    return web.Response(body=content, headers=headers)


def _created(location: str, digest: str) -> web.StreamResponse:
    headers = {"Location": location, "Docker-Content-Digest": digest}
    return web.Response(status=201, headers=headers)


def _check_range(request: web.Request, size_bytes: int) -> None:
    """A chunk has to begin where the last one ended, if it says where it begins."""
    claimed = request.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if claimed and claimed != str(size_bytes):
        raise Refused(416, "BLOB_UPLOAD_INVALID", f"the next chunk begins at {size_bytes}")


def _not_supported(request: web.Request) -> Refused:
    return Refused(405, "UNSUPPORTED", f"{request.method} {request.path} is not supported")


def _error(refused: Refused) -> web.StreamResponse:
    body = {"errors": [{"code": refused.code, "message": str(refused)}]}
    return web.Response(
        status=refused.status, text=json.dumps(body), content_type="application/json"
    )
