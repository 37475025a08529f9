"""Proving to a registry who we are: Basic, and Bearer with a token server.

Owns challenges, tokens and the rule of where a password may go: to the registry itself (Basic), or
to the token realm named by a challenge of that very registry, over https unless the import is
insecure (spec/image-api-and-import.md §6.5, §6.6). Which credentials fit is the importer's.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from multidict import CIMultiDictProxy
from yarl import URL

from tagstream.registry.credentials import Credentials
from tagstream.registry.errors import PROTOCOL, UNAUTHORIZED, RegistryError, error_from_answer
from tagstream.registry.transport import Ask, Transport

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SCHEME = re.compile(rf"\s*,?\s*({_TOKEN})(?:\s+|$|(?=,))")
_PARAMETER = re.compile(rf'\s*,?\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_MINIMUM_VALID_S = 60.0
_MAXIMUM_VALID_S = 3600.0
_CLOCK_MARGIN_S = 10.0
_MAX_TOKEN_CHARS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of authenticating that a registry offers; `scheme` in lower case."""

    scheme: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Token:
    authorization: str
    valid_until: float


def parse_challenges(header_values: Iterable[str]) -> tuple[Challenge, ...]:
    """Read WWW-Authenticate headers (RFC 9110 §11.6.1), several in one value included."""
    found: list[Challenge] = []
    for value in header_values:
        position = 0
        while scheme := _SCHEME.match(value, position):
            position = scheme.end()
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(value, position):
                position = parameter.end()
                quoted = parameter[2]
                text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
                parameters[parameter[1].lower()] = text
            found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


class Authenticator:
    """The Authorization header for one registry host, one account, one import."""

    def __init__(self, transport: Transport, ask: Ask, credentials: Credentials | None) -> None:
        self._transport = transport
        self._ask = ask
        self._credentials = credentials
        self._challenge: Challenge | None = None
        self._tokens: dict[str, _Token] = {}
        self._refusals: dict[str, RegistryError] = {}
        self._lock = asyncio.Lock()

    def adopt(self, headers: CIMultiDictProxy[str]) -> bool:
        """Take the challenge of a 401 from the registry itself; False when it offers none we know.

        Bearer is preferred: it sends the password to the token server only.
        """
        offered = parse_challenges(headers.getall("WWW-Authenticate", []))
        for scheme in ("bearer", "basic"):
            for challenge in offered:
                if challenge.scheme == scheme:
                    self._challenge = challenge
                    return True
        return False

    async def authorization(self, scope: str) -> str | None:
        """The header for `scope` (`repository:<name>:pull`); None when the registry asks for none.

        Raises RegistryError when the account is refused or the token server fails.
        """
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            if self._credentials is None:
                raise RegistryError(UNAUTHORIZED, 401, "no basic auth credentials")
            return self._credentials.basic_authorization()
        token = self._tokens.get(scope)
        if token is not None and token.valid_until > time.monotonic():
            return token.authorization
        return await self._renewed(challenge, scope)

    def renew_after_refusal(self, scope: str, refused: str | None) -> bool:
        """Forget a token that the registry refused; True when a new try makes sense."""
        if self._challenge is None or self._challenge.scheme != "bearer" or refused is None:
            return False
        token = self._tokens.get(scope)
        if token is not None and token.authorization == refused:
            del self._tokens[scope]
        return True

    async def _renewed(self, challenge: Challenge, scope: str) -> str:
        # One request for all that wait: a thousand tags of one repository need one token.
        async with self._lock:
            token = self._tokens.get(scope)
            if token is not None and token.valid_until > time.monotonic():
                return token.authorization
            refusal = self._refusals.get(scope)
            if refusal is not None:
                raise refusal
            try:
                token = await self._fetch_token(challenge, scope)
            except RegistryError as error:
                if not error.transient:
                    # A wrong password asked for again for every tag would lock the account.
                    self._refusals[scope] = error
                raise
            self._tokens[scope] = token
            return token.authorization

    async def _fetch_token(self, challenge: Challenge, scope: str) -> _Token:
        realm = _checked_realm(challenge.parameters.get("realm", ""), insecure=self._ask.insecure)
        query = [*realm.query.items()]
        if service := challenge.parameters.get("service"):
            query.append(("service", service))
        query.append(("scope", scope))
        headers = {}
        if self._credentials is not None:
            query.append(("account", self._credentials.username))
            headers["Authorization"] = self._credentials.basic_authorization()
        answer = await self._transport.exchange(
            "GET",
            realm.with_query(query),
            headers,
            self._ask,
            max_bytes=self._transport.limits.token_bytes,
        )
        if answer.status >= 400:
            raise error_from_answer(answer.status, answer.body, retry_after_s=answer.retry_after_s)
        return _parse_token(answer.body, time.monotonic())


def _checked_realm(realm: str, *, insecure: bool) -> URL:
    try:
        url = URL(realm)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        text = "the registry's challenge names no http or https token realm"
        raise RegistryError(PROTOCOL, 0, text)
    if url.scheme == "http" and not insecure:
        text = (
            f"refused to ask for a token over plain http at {url.authority}; "
            "mark the import insecure to allow it"
        )
        raise RegistryError(PROTOCOL, 0, text)
    return url.with_user(None).with_fragment(None)


def _parse_token(body: bytes, now: float) -> _Token:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise RegistryError(PROTOCOL, 0, "unable to decode token response: not JSON") from error
    value = (
        (parsed.get("token") or parsed.get("access_token")) if isinstance(parsed, dict) else None
    )
    if not isinstance(value, str) or not _is_header_safe(value):
        text = "authorization server did not include a token in the response"
        raise RegistryError(PROTOCOL, 0, text)
    expires_in = parsed.get("expires_in")
    valid_s = float(expires_in) if isinstance(expires_in, int | float) else _MINIMUM_VALID_S
    valid_s = min(max(valid_s, _MINIMUM_VALID_S), _MAXIMUM_VALID_S)
    return _Token(f"Bearer {value}", now + valid_s - _CLOCK_MARGIN_S)


def _is_header_safe(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= _MAX_TOKEN_CHARS
