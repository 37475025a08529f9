"""The session of a browser: a sealed cookie that holds the bearer token it signed in with.

Owns the cookie and its lifetime. Every request reads the token out of it and has the api's own
authenticator judge it, so that a token that has expired, or whose account is gone, ends the
session. There is nothing to store and any replica reads it (docs/adr/0012-server-rendered-page.md).
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie

import orjson

from tagstream.errors import InvalidInput
from tagstream.store.sealing import Sealer

# The prefix makes browsers refuse it without Secure, from another path or for another host.
COOKIE = "__Host-tagstream"
LIFETIME = timedelta(hours=12)
_CONTEXT = "session of the web page"
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
# Browsers drop a cookie that is longer than 4096 bytes, name and attributes included.
_LONGEST = 3900

CLEARED = f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}"


class StaleSession(Exception):
    """Credentials that open nothing any more; `reason` is one sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Sessions:
    """Seals tokens into cookies, and opens them."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def make_cookie(self, token: str, now: datetime) -> str:
        """A `Set-Cookie` value. Raises InvalidInput for a token that no cookie can hold.

        It ends with the browser, and says itself until when it counts: a browser would silently
        drop one that it knows to be over, and nobody would be told why to sign in again.
        """
        until = int((now + LIFETIME).timestamp())
        sealed = self._sealer.seal(orjson.dumps({"token": token, "until": until}), _CONTEXT)
        value = base64.urlsafe_b64encode(sealed).decode("ascii")
        if len(value) > _LONGEST:
            raise InvalidInput("token", "is too long to be kept in a cookie; ask for a shorter one")
        return f"{COOKIE}={value}; {_ATTRIBUTES}"

    def open_cookie(self, header: str, now: datetime) -> str | None:
        """The token in a request's `Cookie` header, None without a session in it.

        Raises StaleSession when the session is over or was not made with our keys.
        """
        value = _find(header)
        if not value:
            return None
        try:
            sealed = base64.b64decode(value, altchars=b"-_", validate=True)
            kept = orjson.loads(self._sealer.unseal(sealed, _CONTEXT))
            token, until = str(kept["token"]), int(kept["until"])
        except (InvalidInput, ValueError, KeyError, TypeError, binascii.Error) as error:
            raise StaleSession("Your session is not valid any more; sign in again.") from error
        if now.timestamp() >= until:
            hours = int(LIFETIME.total_seconds() // 3600)
            raise StaleSession(f"Your session ended after {hours} hours; sign in again.")
        return token


def _find(header: str) -> str:
    """A cookie that another application on this host sets may not be readable at all."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            try:
                return SimpleCookie(f"{name}={value}")[name].value
            except (CookieError, KeyError):
                return "?"
    return ""
