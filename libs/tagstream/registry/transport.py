"""One HTTP request to a registry: redirects, byte limits, time limits, retries.

Owns the shared aiohttp session's use. It knows no verb and no token: a caller hands in the
Authorization header, which leaves only for the host and port it was made for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from tagstream.registry.errors import (
    PROTOCOL,
    TIMEOUT,
    TOO_LARGE,
    RegistryError,
    network_error,
    translate_client_error,
)
from tagstream.registry.limits import (
    Budget,
    HostConcurrency,
    Limits,
    decide_retry_s,
    parse_retry_after_s,
)
from tagstream.registry.tls import TlsContexts
from tagstream.telemetry import metrics
from tagstream.telemetry.names import REGISTRY_REQUEST_DURATION, REGISTRY_REQUESTS

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SKIPPED_BODY_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `url` is the one that answered, after redirects."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: URL

    @property
    def retry_after_s(self) -> float | None:
        """What the server asked for, if it asked."""
        return parse_retry_after_s(self.headers.get("Retry-After"))


@dataclass(frozen=True, slots=True)
class Ask:
    """What every request of one import to one host has in common.

    `deadline` is in the event loop's time, None for no other limit than the request's own.
    """

    insecure: bool = False
    deadline: float | None = None
    budget_key: str = ""

    def remaining_s(self) -> float | None:
        """Seconds left until the deadline, never negative; None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Transport:
    """What all registry clients of a process share."""

    session: aiohttp.ClientSession
    tls: TlsContexts
    limits: Limits = field(default_factory=Limits)
    hosts: HostConcurrency = field(default_factory=HostConcurrency)
    budget: Budget | None = None

    async def exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        ask: Ask,
        *,
        max_bytes: int,
        timeout_s: float | None = None,
        retry_timeouts: bool = True,
    ) -> Answer:
        """Send until there is an answer worth reporting; 4xx and 5xx are answers, not errors.

        Raises RegistryError when nothing usable came back within the limits.
        """
        limit_s = self.limits.request_timeout_s if timeout_s is None else timeout_s
        attempt = 0
        while True:
            outcome: Answer | RegistryError
            try:
                with metrics.timed(REGISTRY_REQUEST_DURATION, method=method):
                    outcome = await self._send_once(method, url, headers, ask, max_bytes, limit_s)
            except RegistryError as error:
                outcome = error
            metrics.add(REGISTRY_REQUESTS, method=method, code=str(outcome.status))
            if isinstance(outcome, Answer) and outcome.status < 400:
                return outcome
            wait_s = self._retry_in_s(outcome, attempt, ask, retry_timeouts=retry_timeouts)
            if wait_s is None:
                if isinstance(outcome, RegistryError):
                    raise outcome
                return outcome
            attempt += 1
            await asyncio.sleep(wait_s)

    def _retry_in_s(
        self, outcome: Answer | RegistryError, attempt: int, ask: Ask, *, retry_timeouts: bool
    ) -> float | None:
        transient = True
        if isinstance(outcome, RegistryError):
            transient = outcome.transient and (retry_timeouts or outcome.error_code != TIMEOUT)
        wait_s = decide_retry_s(
            self.limits,
            attempt,
            status=outcome.status,
            transient=transient,
            retry_after_s=outcome.retry_after_s,
        )
        remaining_s = ask.remaining_s()
        longest_s = self.limits.request_timeout_s if remaining_s is None else remaining_s
        return None if wait_s is None or wait_s >= longest_s else wait_s

    async def _send_once(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        ask: Ask,
        max_bytes: int,
        limit_s: float,
    ) -> Answer:
        slot = self.hosts.slot(url.authority)
        try:
            # Queueing counts against the import's deadline only: a busy host is not a slow one.
            if slot.locked() or self.budget is not None:
                async with asyncio.timeout_at(ask.deadline):
                    await slot.acquire()
                    await self._acquire_budget(url, ask, slot)
            else:
                await slot.acquire()
            try:
                async with asyncio.timeout_at(_end_of(limit_s, ask)):
                    return await self._follow(method, url, headers, ask, max_bytes)
            finally:
                slot.release()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise translate_client_error(method, url, error) from error

    async def _acquire_budget(self, url: URL, ask: Ask, slot: asyncio.Semaphore) -> None:
        if self.budget is None:
            return
        try:
            await self.budget.acquire(url.authority, ask.budget_key)
        except BaseException:
            slot.release()
            raise

    async def _follow(
        self, method: str, url: URL, headers: Mapping[str, str], ask: Ask, max_bytes: int
    ) -> Answer:
        context = self.tls.choose(insecure=ask.insecure)
        start = url
        for _ in range(self.limits.redirects + 1):
            response = await self.session.request(
                method,
                url,
                headers=headers,
                allow_redirects=False,
                ssl=context,
                timeout=_NO_OTHER_TIMEOUT,
            )
            try:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    return await self._read(method, url, response, max_bytes)
                if response.content_length is not None and (
                    response.content_length <= _SKIPPED_BODY_BYTES
                ):
                    await response.read()
            finally:
                # Whatever was not read to its end must not be read by the next request.
                if response.content.at_eof():
                    response.release()
                else:
                    response.close()
            target = _redirect_target(method, url, location, insecure=ask.insecure)
            if target.origin() != start.origin():
                headers = _without_authorization(headers)
            url = target
        text = f"stopped after {self.limits.redirects} redirects"
        raise network_error(method, start, PROTOCOL, text)

    async def _read(
        self, method: str, url: URL, response: aiohttp.ClientResponse, max_bytes: int
    ) -> Answer:
        if response.status >= 400:
            body = await _read_up_to(response, self.limits.error_bytes)
            return Answer(response.status, response.headers, body[: self.limits.error_bytes], url)
        length = response.content_length
        if length is not None and length > max_bytes and method != "HEAD":
            raise _too_large(method, url, max_bytes)
        if length is not None and "Content-Encoding" not in response.headers:
            body = await response.read()
        else:
            body = await _read_up_to(response, max_bytes)
            if len(body) > max_bytes:
                raise _too_large(method, url, max_bytes)
        return Answer(response.status, response.headers, body, url)


def _end_of(limit_s: float, ask: Ask) -> float:
    end = asyncio.get_running_loop().time() + limit_s
    return end if ask.deadline is None else min(end, ask.deadline)


_NO_OTHER_TIMEOUT = aiohttp.ClientTimeout(total=None)


def build_session() -> aiohttp.ClientSession:
    """Build the session for a process; the caller closes it.

    Without cookies: a registry's session cookie of one namespace must not serve another.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=256, limit_per_host=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "tagstream", "Accept-Encoding": "identity"},
        timeout=_NO_OTHER_TIMEOUT,
    )


async def _read_up_to(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, or its first bytes: at least one more than `max_bytes` when it is longer."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            break
    return b"".join(chunks)


def _too_large(method: str, url: URL, max_bytes: int) -> RegistryError:
    text = f"the answer is larger than the {max_bytes} bytes that are accepted"
    return network_error(method, url, TOO_LARGE, text)


def _redirect_target(method: str, url: URL, location: str, *, insecure: bool) -> URL:
    # A signed address must be sent as it is; one with characters no request line may hold cannot.
    is_sendable = location.isascii() and location.isprintable() and " " not in location
    try:
        target = URL(urljoin(str(url), location), encoded=is_sendable).with_user(None)
    except ValueError:
        target = URL()
    if target.scheme not in {"http", "https"} or not target.host:
        raise network_error(method, url, PROTOCOL, "the redirect names no http or https address")
    if url.scheme == "https" and target.scheme == "http" and not insecure:
        text = "refused to follow a redirect from https to http; mark the import insecure to allow"
        raise network_error(method, url, PROTOCOL, text)
    return target


def _without_authorization(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "authorization"}
