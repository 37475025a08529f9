"""A few blocking HTTPS calls to our own api, with nothing but the standard library.

Owns the connection and the reading of `Status` errors. For the stack's bootstrap and the command
line; services reach a cluster with `tagstream.kube`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tagstream.embedded.kubeconfig import BearerToken, ClientCertificate
from tagstream.errors import Conflict, NotFound, Unavailable, Upstream

_TIMEOUT_S = 10.0
_LARGEST_ANSWER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the api is and who we are; `ca` in PEM, empty for the system's authorities."""

    server: str
    ca: bytes
    credentials: ClientCertificate | BearerToken | None = field(repr=False)


class ApiClient:
    """Makes one connection for each call; its errors are those of `tagstream.errors`."""

    def __init__(self, access: ApiAccess) -> None:
        parts = urlsplit(access.server)
        self._server = access.server
        self._host = parts.hostname or "localhost"
        self._port = parts.port or 443
        self._prefix = parts.path.rstrip("/")
        self._context = _tls_context(access)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if isinstance(access.credentials, BearerToken):
            self._headers["Authorization"] = f"Bearer {access.credentials.token}"

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        """The answer's JSON object. `NotFound` for 404, `Conflict` for 409, `Unavailable` if
        nothing answers, `Upstream` with the server's own sentence for other errors."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT_S, context=self._context
        )
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, self._prefix + path, content, self._headers)
            answer = connection.getresponse()
            text = answer.read(_LARGEST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the api at {self._server} does not answer ({error})") from error
        finally:
            connection.close()
        document = _parse_object(text)
        if answer.status >= 400:
            raise _error(answer.status, str(document.get("message") or answer.reason))
        return document


def _error(code: int, message: str) -> Exception:
    if code == 404:
        return NotFound(message)
    if code == 409:
        return Conflict(message)
    return Upstream(f"the api answered {code}: {message}", code=code, transient=code >= 500)


def _parse_object(text: bytes) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _tls_context(access: ApiAccess) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.ca.decode("ascii") if access.ca else None)
    if isinstance(access.credentials, ClientCertificate):
        # OpenSSL's binding reads certificates from files only.
        descriptor, name = tempfile.mkstemp(prefix="tagstream-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(access.credentials.certificate + b"\n" + access.credentials.key)
            context.load_cert_chain(name)
        finally:
            os.unlink(name)
    return context
