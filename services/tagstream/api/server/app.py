"""The ASGI application: from an HTTP request to a verb and back.

Owns the order of things: health, the web page, authentication, routing, authorization, body,
deadline, verb; and what every error becomes. Composed by `build_app` from arguments alone.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from tagstream.api.engine.call import Answer, Call, StreamAnswer
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.errors import as_api_error
from tagstream.api.engine.options import parse_duration_s
from tagstream.api.engine.routing import Entry, Registry, Target, parse_target
from tagstream.api.engine.schemas import Schemas
from tagstream.api.engine.verbs import WRITES, Verbs, choose_verb
from tagstream.api.engine.writing import Applier, Writer
from tagstream.api.server.access import authorize
from tagstream.api.server.body import ClientGone, read_body
from tagstream.api.server.ports import Authenticator, Authorizer, Documents, Headers, Page
from tagstream.api.server.responses import (
    CORE_CACHE,
    PAGE_CACHE,
    RawHeaders,
    Receive,
    Send,
    build_refusal,
    cache_control,
    first_values,
    plain_answer,
    send_answer,
)
from tagstream.api.server.streams import OpenStreams
from tagstream.api.watch.events import Hub
from tagstream.api.wire.status import generic_not_found, timeout, unauthorized
from tagstream.telemetry import metrics
from tagstream.telemetry.names import HTTP_REQUEST_DURATION, HTTP_REQUEST_SPAN, HTTP_REQUESTS
from tagstream.telemetry.tracing import current_traceparent, random_uuid, span

_READ_DEADLINE_S = 60.0
_WRITE_DEADLINE_S = 34.0
# The longest a kind that says `long_running` may be asked to take.
_LONG_DEADLINE_S = 600.0
_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})


def build_app(
    registry: Registry,
    authenticator: Authenticator,
    authorizer: Authorizer,
    hub: Hub,
    schemas: Schemas,
    documents: Documents,
    clock: Callable[[], datetime],
    *,
    ids: Callable[[], uuid.UUID] = random_uuid,
    ready: Callable[[], str | None] = lambda: None,
    apply: Applier | None = None,
    page: Page | None = None,
) -> App:
    """The application. `ready` says why the process is not ready, None when it is; `apply` does
    server-side apply, which is refused with 415 without it; `page` is the web page."""
    return App(
        registry,
        authenticator,
        authorizer,
        Verbs(Writer(schemas, apply), hub),
        documents,
        clock,
        ids,
        ready,
        page,
    )


@dataclass(slots=True)
class _Request:
    """A request on its way, and what is known of it for headers, metrics and the trace."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    id: str
    verb: str = ""
    resource: str = ""
    cache: tuple[bytes, bytes] = CORE_CACHE

    @property
    def common(self) -> RawHeaders:
        return [self.cache, (b"audit-id", self.id.encode())]


@dataclass(slots=True, eq=False)
class App:
    """The application; `stop` ends its open watches."""

    registry: Registry
    authenticator: Authenticator
    authorizer: Authorizer
    verbs: Verbs
    documents: Documents
    clock: Callable[[], datetime]
    ids: Callable[[], uuid.UUID]
    ready: Callable[[], str | None]
    page: Page | None = None
    streams: OpenStreams = field(default_factory=OpenStreams)

    def stop(self) -> None:
        """Ends all watches, now and from now on: part of an orderly shutdown."""
        self.streams.stop()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        started = time.perf_counter()
        headers = Headers(scope["headers"])
        query = scope["query_string"]
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
        request = _Request(
            scope["method"], scope["path"], first_values(pairs), headers, str(self.ids())
        )
        traceparent = headers.get(b"traceparent")
        with span(HTTP_REQUEST_SPAN, traceparent) as traced:
            try:
                answer = await self._answer(request, scope, receive)
            except ClientGone:
                return
            except Exception as error:
                answer = build_refusal(as_api_error(error), headers.all(b"accept"))
            traced.annotate(verb=request.verb, resource=request.resource)
            if isinstance(answer, StreamAnswer):
                await self.streams.run(answer, request.resource, request.common, receive, send)
                return
            await send_answer(send, answer, request.common)
        _count(request, answer.status, time.perf_counter() - started)

    async def _answer(
        self, request: _Request, scope: dict[str, Any], receive: Receive
    ) -> Answer | StreamAnswer:
        if request.path in _HEALTH:
            return self._health(request)
        if request.path == "/version":
            return self._document(request)
        if self.page is not None and self.page.takes(request.path, request.headers):
            request.cache, request.resource = PAGE_CACHE, "page"
            return await self.page.answer(
                request.method, request.query, scope, request.headers, receive
            )
        user = await self.authenticator.authenticate(scope, request.headers)
        if user is None:
            raise unauthorized()
        raw_path = scope.get("raw_path") or request.path.encode()
        target = parse_target(raw_path.decode("latin-1"))
        if target is None:
            return self._document(request)
        return await self._resource(request, target, user, receive)

    async def _resource(
        self, request: _Request, target: Target, user: User, receive: Receive
    ) -> Answer | StreamAnswer:
        request.cache = cache_control(target.group)
        entry = self.registry.find(target)
        verb = choose_verb(request.method, target, entry, request.query)
        request.verb, request.resource = verb, target.resource
        await authorize(self.authorizer, user, verb, target, entry.kind, request.query)
        is_write = verb in WRITES
        deadline_s = _deadline_s(entry, request.query, is_write)
        if verb == "get" and not request.query.get("timeout"):
            # It reads rows by key, which the database answers or refuses long before the deadline.
            call = self._call(request, target, entry, user, b"", deadline_s)
            return await self.verbs.answer(verb, call)
        try:
            async with asyncio.timeout(deadline_s):
                body = await read_body(receive, request.headers) if is_write else b""
                call = self._call(request, target, entry, user, body, deadline_s)
                return await self.verbs.answer(verb, call)
        except TimeoutError as error:
            raise timeout() from error

    def _call(
        self,
        request: _Request,
        target: Target,
        entry: Entry,
        user: User,
        body: bytes,
        deadline_s: float,
    ) -> Call:
        headers = request.headers
        ctx = RequestContext(
            user,
            self.clock(),
            request.id,
            headers.get(b"user-agent"),
            current_traceparent(),
            deadline_s,
        )
        return Call(
            ctx,
            target,
            entry,
            request.query,
            headers.all(b"accept"),
            headers.get(b"content-type"),
            body,
        )

    def _health(self, request: _Request) -> Answer:
        reason = self.ready() if request.path == "/readyz" else None
        return plain_answer(200, "ok") if reason is None else plain_answer(503, reason)

    def _document(self, request: _Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            raise generic_not_found()
        answer = self.documents.answer(request.path, request.query, request.headers)
        if answer is None:
            raise generic_not_found()
        return answer


def _deadline_s(entry: Entry, query: Mapping[str, str], is_write: bool) -> float:
    """Spec image-api-and-import §1.2: 60 s, writes 34 s; `timeout` shortens, and lengthens only
    for kinds that may take long."""
    longest_s = _WRITE_DEADLINE_S if is_write else _READ_DEADLINE_S
    text = query.get("timeout")
    if not text:
        return longest_s
    asked_s = parse_duration_s(text)
    if asked_s <= 0:
        return longest_s
    if entry.kind.extra.get("long_running"):
        longest_s = _LONG_DEADLINE_S
    return min(asked_s, longest_s)


def _count(request: _Request, status: int, duration_s: float) -> None:
    verb, resource = request.verb, request.resource
    metrics.add(HTTP_REQUESTS, verb=verb, resource=resource, code=str(status))
    metrics.observe(HTTP_REQUEST_DURATION, duration_s, verb=verb, resource=resource)
