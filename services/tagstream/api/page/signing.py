"""Signing in with a token and signing out: two forms, each only from our own pages.

Owns the check of where a form came from and what is answered. The cookie is `session.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from tagstream.api.engine.call import Answer
from tagstream.api.page import addresses
from tagstream.api.page.rendering import Renderer, redirect
from tagstream.api.page.session import CLEARED, Sessions
from tagstream.api.server.body import read_body
from tagstream.api.server.ports import Headers
from tagstream.api.server.responses import Receive, first_values
from tagstream.errors import InvalidInput

_LONGEST_FORM_BYTES = 32 * 1024
_CLEAR = (b"set-cookie", CLEARED.encode())


class SignInPage:
    """The page with the one field, and what it says above it."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def show(
        self, status: int, sentence: str = "", *, back: str = addresses.HOME, clears: bool = False
    ) -> Answer:
        """`sentence` says why one has to sign in; `clears` takes a dead cookie away."""
        values = {
            "sentence": sentence,
            "is_problem": status >= 400,
            "back": addresses.safe_return(back),
        }
        return self._renderer.page("sign_in.html", values, status, *([_CLEAR] if clears else []))

    def step_over(self) -> Answer:
        """A page that loads itself again. SameSite=Strict leaves the cookie out when a link on
        another site leads here; from our own page the browser sends it."""
        return self._renderer.page("step_over.html", {})


def is_from_here(headers: Headers) -> bool:
    """Whether a form was sent by one of our own pages: its Origin is the address we are called
    by. A browser that sends no Origin says in Sec-Fetch-Site where the form was."""
    origin = headers.get(b"origin")
    if origin:
        return origin == f"https://{headers.get(b'host')}"
    return headers.get(b"sec-fetch-site") == "same-origin"


async def read_form(receive: Receive, headers: Headers) -> Mapping[str, str]:
    """The fields of a form. Raises InvalidInput for one that is too long or no form at all."""
    announced = headers.get(b"content-length")
    if not announced.isdigit() or int(announced) > _LONGEST_FORM_BYTES:
        raise InvalidInput("form", f"must be at most {_LONGEST_FORM_BYTES} bytes long")
    body = await read_body(receive, headers)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise InvalidInput("form", "is not an encoded form") from error
    return first_values(pairs)


def signed_in(sessions: Sessions, token: str, back: str, now: datetime) -> Answer:
    """On to where the visitor wanted to go. Raises InvalidInput for a token that is too long."""
    cookie = sessions.make_cookie(token, now)
    return redirect(addresses.safe_return(back), (b"set-cookie", cookie.encode()))


def signed_out() -> Answer:
    """The cookie is taken away; the sign-in page says so."""
    return redirect(f"{addresses.SIGN_IN}?out=1", _CLEAR)
