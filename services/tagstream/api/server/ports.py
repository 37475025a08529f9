"""What the HTTP edge needs from others: who calls, what they may, and the documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tagstream.api.engine.call import Answer, StreamAnswer
from tagstream.api.engine.context import User
from tagstream.api.server.responses import Receive

Scope = Mapping[str, Any]


class Headers:
    """A request's headers by their lowercase names; of a repeated one the first counts."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def get(self, name: bytes) -> str:
        """The value, empty when the header is absent."""
        for key, value in self._pairs:
            if key == name:
                return value.decode("latin-1")
        return ""

    def all(self, name: bytes) -> str:
        """All values joined by commas: what a list-valued header means."""
        values = [value.decode("latin-1") for key, value in self._pairs if key == name]
        return ",".join(values)


class Authenticator(Protocol):
    """Tells who calls, by client certificate or bearer token."""

    async def authenticate(self, scope: Scope, headers: Headers) -> User | None:
        """None for a caller who is not known: 401. A client certificate that the TLS handshake
        has verified is DER in `scope["extensions"]["tls"]["client_cert"]`."""
        ...


class Authorizer(Protocol):
    """Tells what a user may do."""

    async def allowed(
        self,
        user: User,
        verb: str,
        group: str,
        resource: str,
        subresource: str,
        namespace: str,
        name: str,
    ) -> tuple[bool, str]:
        """Whether, and a reason that a refusal adds to its text (may be empty)."""
        ...


class Documents(Protocol):
    """Discovery, OpenAPI and version: what lies at paths that name no resource."""

    def answer(self, path: str, query: Mapping[str, str], headers: Headers) -> Answer | None:
        """None where there is no document: 404. `/version` is also asked for anonymously."""
        ...


class Page(Protocol):
    """The web page for people, beside the API."""

    def takes(self, path: str, headers: Headers) -> bool:
        """Whether a request is the page's and not the API's."""
        ...

    async def answer(
        self,
        method: str,
        query: Mapping[str, str],
        scope: Scope,
        headers: Headers,
        receive: Receive,
    ) -> Answer | StreamAnswer:
        """Authenticates and authorizes by itself: a refusal is a page, too."""
        ...
