"""The verbs of a distribution registry: ping, manifests, blobs, tags.

Owns paths, paging, digest checks of blobs and the choice between https and http for insecure
imports (spec/image-api-and-import.md §6.6). One client is one host and one account during one
import: it pings once and gets one token for each repository.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from yarl import URL

from tagstream.images.digest import Digest, digest_of, verify_digest
from tagstream.images.manifest import InvalidManifest, manifest_payload
from tagstream.images.media_types import MANIFEST_ACCEPT
from tagstream.registry.auth import Authenticator
from tagstream.registry.blob_cache import BlobCache
from tagstream.registry.credentials import Credentials
from tagstream.registry.errors import (
    BLOB_UNKNOWN,
    INTEGRITY,
    NOT_V2,
    PROTOCOL,
    TIMEOUT,
    TLS,
    TOO_LARGE,
    TRANSPORT,
    RegistryError,
    error_from_answer,
    network_error,
    status_line,
)
from tagstream.registry.transport import Answer, Ask, Transport

_MANIFEST_HEADERS = {"Accept": ", ".join(MANIFEST_ACCEPT)}
_NO_HEADERS: dict[str, str] = {}
_TRANSPORT_LEVEL = frozenset({TRANSPORT, TIMEOUT, TLS, PROTOCOL})
_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*?\brel="?next"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """A manifest as received; `digest` is computed from the bytes, not taken from a header."""

    raw: bytes
    content_type: str
    digest: Digest


@dataclass(slots=True)
class _Ping:
    """What the one ping of this client found: where to talk to, or why not."""

    base_url: str = ""
    error: RegistryError | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RegistryClient:
    """One registry host as one account sees it, for the time of one import.

    `deadline` is in the event loop's time. All verbs raise RegistryError.
    """

    def __init__(
        self,
        transport: Transport,
        host: str,
        *,
        insecure: bool = False,
        credentials: Credentials | None = None,
        deadline: float | None = None,
        blobs: BlobCache | None = None,
    ) -> None:
        self._transport = transport
        self._host = host
        self._blobs = blobs
        budget_key = credentials.budget_key if credentials else ""
        self._ask = Ask(insecure, deadline, budget_key)
        self._auth = Authenticator(transport, self._ask, credentials)
        self._ping = _Ping()

    async def ping(self) -> str:
        """Find out once how to talk to the registry; returns its base URL, without a slash."""
        if self._ping.base_url:
            return self._ping.base_url
        async with self._ping.lock:
            if self._ping.error is not None:
                raise self._ping.error
            if not self._ping.base_url:
                try:
                    self._ping.base_url = await self._find_base_url()
                except RegistryError as error:
                    self._ping.error = error
                    raise
            return self._ping.base_url

    async def get_manifest(self, repository: str, reference: str) -> FetchedManifest:
        """Fetch a manifest by tag or digest, up to 4 MiB; a digest is checked against the bytes."""
        answer = await self._request(
            "GET",
            repository,
            f"manifests/{reference}",
            _MANIFEST_HEADERS,
            self._transport.limits.manifest_bytes,
        )
        content_type = answer.headers.get("Content-Type", "")
        payload = _digested_payload(answer.body, content_type)
        digest = digest_of(payload)
        if ":" in reference and digest != reference and not verify_digest(payload, reference):
            text = (
                f"content integrity error: the manifest retrieved with digest {reference} does "
                f"not match the digest calculated from the content {digest}"
            )
            raise RegistryError(INTEGRITY, answer.status, text)
        return FetchedManifest(answer.body, content_type, digest)

    async def head_manifest(self, repository: str, reference: str) -> str | None:
        """The digest that the registry says a reference has; None when it does not say."""
        answer = await self._request(
            "HEAD", repository, f"manifests/{reference}", _MANIFEST_HEADERS, 0
        )
        return answer.headers.get("Docker-Content-Digest")

    async def get_blob(self, repository: str, digest: str) -> bytes:
        """Fetch a small blob, up to 8 MiB, and check it against its digest."""
        if self._blobs is not None:
            held = self._blobs.get(self._host, repository, digest)
            if held is not None:
                return held
        limit = self._transport.limits.config_bytes
        answer = await self._request("GET", repository, f"blobs/{digest}", _NO_HEADERS, limit)
        if not verify_digest(answer.body, digest):
            text = (
                f"content integrity error: the blob retrieved with digest {digest} does not match "
                f"the digest calculated from the content {digest_of(answer.body)}"
            )
            raise RegistryError(INTEGRITY, answer.status, text)
        if self._blobs is not None:
            self._blobs.put(self._host, repository, digest, answer.body)
        return answer.body

    async def head_blob(self, repository: str, digest: str) -> int:
        """The size of a blob in bytes, for schema 1 manifests, which do not say it."""
        held = self._blobs.get_size(self._host, repository, digest) if self._blobs else None
        if held is not None:
            return held
        answer = await self._request("HEAD", repository, f"blobs/{digest}", _NO_HEADERS, 0)
        length = answer.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise RegistryError(PROTOCOL, answer.status, f"blob {digest} has no Content-Length")
        if self._blobs is not None:
            self._blobs.put_size(self._host, repository, digest, int(length))
        return int(length)

    async def list_tags(self, repository: str) -> list[str]:
        """All tags in the registry's order, following `Link` pages within bounds.

        An empty tag name is returned as it is. Raises RegistryError also for a list without end.
        """
        limits = self._transport.limits
        tags: list[str] = []
        path: str | None = "tags/list"
        seen: set[str] = set()
        while path is not None:
            if path in seen or len(seen) >= limits.tags_pages or len(tags) > limits.tags_total:
                text = f"the tag list of {repository} does not end after {len(tags)} tags"
                raise RegistryError(TOO_LARGE, 0, text)
            seen.add(path)
            answer = await self._request(
                "GET", repository, path, _NO_HEADERS, limits.tags_page_bytes
            )
            tags += _parse_tags_page(answer.body)
            path = _next_page(answer, repository)
        return tags

    async def _request(
        self, method: str, repository: str, path: str, headers: dict[str, str], max_bytes: int
    ) -> Answer:
        base_url = self._ping.base_url or await self.ping()
        url = URL(f"{base_url}/v2/{repository}/{path}", encoded=True)
        scope = f"repository:{repository}:pull"
        for is_last in (False, True):
            authorization = await self._auth.authorization(scope)
            sent = {**headers, "Authorization": authorization} if authorization else headers
            answer = await self._transport.exchange(
                method, url, sent, self._ask, max_bytes=max_bytes
            )
            if answer.status < 400:
                return answer
            if is_last or answer.status != 401 or not self._may_try_again(answer, scope, sent):
                break
        raise _refusal(method, path, answer)

    def _may_try_again(self, answer: Answer, scope: str, sent: dict[str, str]) -> bool:
        # Only the registry itself may name a realm, not a host that it redirected to.
        if str(answer.url.origin()) != self._ping.base_url:
            return False
        authorization = sent.get("Authorization")
        if authorization is None:
            return self._auth.adopt(answer.headers)
        return self._auth.renew_after_refusal(scope, authorization)

    async def _find_base_url(self) -> str:
        try:
            return await self._ping_scheme("https")
        except RegistryError as error:
            if not self._ask.insecure or error.error_code not in _TRANSPORT_LEVEL:
                raise
        return await self._ping_scheme("http")

    async def _ping_scheme(self, scheme: str) -> str:
        url = URL(f"{scheme}://{self._host}/v2/")
        limits = self._transport.limits
        answer = await self._transport.exchange(
            "GET",
            url,
            _NO_HEADERS,
            self._ask,
            max_bytes=limits.error_bytes,
            timeout_s=limits.ping_timeout_s,
            retry_timeouts=False,
        )
        is_v2 = (
            answer.status < 300
            or answer.status in (401, 403)
            or "Docker-Distribution-API-Version" in answer.headers
        )
        if not is_v2:
            got = status_line(answer.status)
            text = f'endpoint "{url}" does not support v2 API (got {got})'
            raise RegistryError(NOT_V2, answer.status, text)
        if answer.status == 401 and answer.url.origin() == url.origin():
            self._auth.adopt(answer.headers)
        return str(url.origin())


def _digested_payload(raw: bytes, content_type: str) -> bytes:
    """What the digest covers: for signed schema 1 manifests not all of it (§6.9)."""
    try:
        return manifest_payload(raw, content_type)
    except InvalidManifest:
        return raw


def _refusal(method: str, path: str, answer: Answer) -> RegistryError:
    if method == "HEAD" and answer.status == 404 and path.startswith("blobs/"):
        return RegistryError(BLOB_UNKNOWN, 404, "unknown blob")
    return error_from_answer(answer.status, answer.body, retry_after_s=answer.retry_after_s)


def _parse_tags_page(body: bytes) -> list[str]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryError(PROTOCOL, 0, f"the tag list is not JSON: {error}") from error
    tags = parsed.get("tags") if isinstance(parsed, dict) else None
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RegistryError(PROTOCOL, 0, "the tag list is not a list of strings")
    return tags


def _next_page(answer: Answer, repository: str) -> str | None:
    """The path of the next page below the repository; None on the last one.

    Only path and query of the link are used: registries behind a proxy name the wrong scheme or
    host, and a token must not follow them there.
    """
    for value in answer.headers.getall("Link", []):
        link = _NEXT_LINK.search(value)
        if link is None:
            continue
        target = urlsplit(urljoin(str(answer.url), link[1]))
        prefix = f"/v2/{repository}/"
        is_sendable = target.query.isascii() and target.query.isprintable()
        if not target.path.startswith(prefix) or not is_sendable or " " in target.query:
            text = f"the tag list continues at {target.path}, which is not in {repository}"
            raise network_error("GET", answer.url, PROTOCOL, text)
        return f"{target.path.removeprefix(prefix)}?{target.query}"
    return None
