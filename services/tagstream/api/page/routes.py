"""The page's front door: which requests are its own, who asks, and what answers.

Owns the order of things: static files and the sign-in form for anybody, then the caller, then the
handlers. Errors become pages here; a JSON Status would be no answer to a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.engine.call import Answer, StreamAnswer
from tagstream.api.engine.context import User
from tagstream.api.engine.errors import as_api_error
from tagstream.api.images.convert import RegistryNames
from tagstream.api.page import addresses
from tagstream.api.page.access import Reader, Resources
from tagstream.api.page.events import on_events
from tagstream.api.page.feed import FactFeed
from tagstream.api.page.live import on_live, render_frame
from tagstream.api.page.rendering import Renderer
from tagstream.api.page.session import COOKIE, Sessions, StaleSession
from tagstream.api.page.signing import (
    SignInPage,
    is_from_here,
    read_form,
    signed_in,
    signed_out,
)
from tagstream.api.page.static import StaticFiles
from tagstream.api.page.streams import on_overview, on_stream
from tagstream.api.page.tags import on_tag
from tagstream.api.page.visit import PageDeps, Visit
from tagstream.api.server.body import ClientGone
from tagstream.api.server.ports import Headers
from tagstream.api.server.responses import Receive, plain_answer
from tagstream.api.wire.status import ApiError
from tagstream.errors import InvalidInput
from tagstream.store.database import Database
from tagstream.store.sealing import Sealer

_DEADLINE_S = 30.0

Handler = Callable[[PageDeps, Visit], Awaitable[Answer]]
_HANDLERS: Mapping[str, Handler] = {addresses.HOME: on_overview, addresses.EVENTS: on_events}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request; `target` is its path with the query, to come back to."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    scope: Mapping[str, Any]
    receive: Receive

    @property
    def target(self) -> str:
        return addresses.with_query(self.path, self.query)


@dataclass(frozen=True, slots=True)
class _Known:
    """Who asks, and whether a session says so."""

    user: User
    by_session: bool


class Page:
    """The web page. `run` keeps the live feed going; without it the feed stays silent."""

    def __init__(
        self,
        database: Database,
        policies: PolicyCache,
        authenticator: Authenticator,
        sealer: Sealer,
        names: RegistryNames,
        resources: Resources,
        clock: Callable[[], datetime],
    ) -> None:
        self._policies = policies
        self._authenticator = authenticator
        self._sessions = Sessions(sealer)
        self._resources = resources
        self._clock = clock
        self._files = StaticFiles()
        renderer = Renderer(self._files)
        self.feed = FactFeed(database, partial(render_frame, renderer))
        self._sign_in = SignInPage(renderer)
        self._renderer = renderer
        self._deps = PageDeps(database, names, renderer, clock)

    async def run(self) -> None:
        """Until it is cancelled."""
        await self.feed.run()

    def takes(self, path: str, headers: Headers) -> bool:
        """Whether a request is the page's. At `/` only one that wants HTML: clients of Kubernetes
        ask for JSON there."""
        if path == addresses.HOME:
            return "text/html" in headers.all(b"accept").lower()
        return path.startswith(addresses.PREFIX)

    async def answer(
        self,
        method: str,
        query: Mapping[str, str],
        scope: Mapping[str, Any],
        headers: Headers,
        receive: Receive,
    ) -> Answer | StreamAnswer:
        """Never raises but for a client that is gone."""
        asked = _Asked(method, scope["path"], query, headers, scope, receive)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await self._renderer.load()
                return await self._answer(asked)
        except ClientGone:
            raise
        except Exception as error:
            return self._failed(as_api_error(error))

    async def _answer(self, asked: _Asked) -> Answer | StreamAnswer:
        path = asked.path
        if path in (addresses.SIGN_IN, addresses.SIGN_OUT):
            return await self._on_form(asked)
        if asked.method not in ("GET", "HEAD"):
            return plain_answer(405, "the page is only read")
        if path.startswith(addresses.STATIC):
            name, version = path.removeprefix(addresses.STATIC), asked.query.get("v", "")
            return self._files.answer(name, version) or plain_answer(404, "no such file")
        return await self._on_visit(asked)

    async def _on_visit(self, asked: _Asked) -> Answer | StreamAnswer:
        try:
            known = await self._identify(asked)
        except StaleSession as stale:
            return self._sign_in.show(401, stale.reason, back=asked.target, clears=True)
        if known is None:
            if _comes_from_elsewhere(asked.headers):
                return self._sign_in.step_over()
            return self._sign_in.show(401, back=asked.target)
        reader = await Reader(known.user, self._policies, self._resources).refreshed()
        visit = Visit(reader, asked.path, asked.query, self._clock(), known.by_session)
        if asked.path == addresses.LIVE and asked.method == "GET":
            resume = asked.headers.get(b"last-event-id")
            return on_live(self.feed, visit, resume, self._still_known(asked, known))
        handler = _HANDLERS.get(asked.path)
        if handler is not None:
            return await handler(self._deps, visit)
        match addresses.parse_object_path(asked.path):
            case (namespace, stream):
                return await on_stream(self._deps, visit, namespace, stream)
            case (namespace, stream, tag):
                return await on_tag(self._deps, visit, namespace, stream, tag)
        return self._deps.refuse(visit, 404, "Not found", "There is no page at this address.")

    async def _identify(self, asked: _Asked) -> _Known | None:
        """A token in the request counts first, then the session: who signs in means to be that
        account, whatever certificate the browser shows. Raises StaleSession."""
        headers = asked.headers
        if not headers.get(b"authorization"):
            token = self._sessions.open_cookie(headers.all(b"cookie"), self._clock())
            if token is not None:
                return _Known(await self._user_of(token), True)
        try:
            user = await self._authenticator.authenticate(asked.scope, headers)
        except ApiError as error:
            if error.code != 401:
                raise
            raise StaleSession("The credentials of this request are not accepted.") from error
        return None if user is None else _Known(user, False)

    async def _user_of(self, token: str) -> User:
        """Whom a session's token stands for now. Raises StaleSession."""
        user, problem = await self._judge(token)
        if user is None:
            raise StaleSession(f"Your session is over: its token {problem}. Sign in again.")
        return user

    async def _judge(self, token: str) -> tuple[User | None, str]:
        """The api's own answer to a bearer token, and why it is no."""
        headers = Headers([(b"authorization", b"Bearer " + token.encode("utf-8", "replace"))])
        try:
            return await self._authenticator.authenticate({}, headers), "is not accepted"
        except ApiError:
            pass
        try:
            await self._authenticator.review(token, self._clock())
        except InvalidInput as error:
            return None, error.reason
        return None, "is not meant for this server"

    def _still_known(self, asked: _Asked, known: _Known) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            try:
                again = await self._identify(asked)
            except (StaleSession, ApiError):
                return False
            return again is not None and again.user.name == known.user.name

        return check

    async def _on_form(self, asked: _Asked) -> Answer:
        is_sign_in = asked.path == addresses.SIGN_IN
        if asked.method in ("GET", "HEAD") and is_sign_in:
            return self._sign_in.show(200, "You are signed out." if "out" in asked.query else "")
        if asked.method != "POST":
            return plain_answer(405, "send the form of the page")
        if not is_from_here(asked.headers):
            return self._sign_in.show(
                403, "The form was sent from another site; sign in on this page."
            )
        if not is_sign_in:
            return signed_out()
        return await self._on_token(asked)

    async def _on_token(self, asked: _Asked) -> Answer:
        back = addresses.HOME
        try:
            form = await read_form(asked.receive, asked.headers)
            back, token = form.get("back", back), form.get("token", "").strip()
            if not token:
                return self._sign_in.show(401, "Paste a token into the field.", back=back)
            user, problem = await self._judge(token)
            if user is None:
                return self._sign_in.show(401, f"The token {problem}.", back=back)
            return signed_in(self._sessions, token, back, self._clock())
        except InvalidInput as error:
            return self._sign_in.show(401, f"The {error.field} {error.reason}.", back=back)

    def _failed(self, error: ApiError) -> Answer:
        sentences = {
            503: "A server that the page needs is away; try again in a moment.",
            504: "The page took too long to make; try again in a moment.",
        }
        message = error.message if error.code < 500 else ""
        sentence = message or sentences.get(error.code, "The page failed; it is in the api's log.")
        return self._renderer.page("failure.html", {"sentence": sentence}, error.code)


def _comes_from_elsewhere(headers: Headers) -> bool:
    """Whether a link on another site led here; a browser would then keep the cookie back."""
    return (
        headers.get(b"sec-fetch-site") == "cross-site"
        and headers.get(b"sec-fetch-mode") == "navigate"
        and f"{COOKIE}=" not in headers.all(b"cookie")
    )
