"""What a registry's refusal or silence is called, in the words an OpenShift user knows.

Owns `RegistryError`, the parsing of registry error bodies and the translation of aiohttp's errors.
The texts follow Go's HTTP client and the distribution error list, because `oc` users search for
them (spec/image-api-and-import.md §6.2). What a text means for an import is the importer's.
"""

from __future__ import annotations

import errno
import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from tagstream.errors import Upstream

TRANSPORT = "TRANSPORT"
TIMEOUT = "TIMEOUT"
TLS = "TLS"
PROTOCOL = "PROTOCOL"
TOO_LARGE = "TOO_LARGE"
INTEGRITY = "INTEGRITY"
NOT_V2 = "NOT_V2"
UNAUTHORIZED = "UNAUTHORIZED"
DENIED = "DENIED"
MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
BLOB_UNKNOWN = "BLOB_UNKNOWN"
NAME_UNKNOWN = "NAME_UNKNOWN"
TOO_MANY_REQUESTS = "TOOMANYREQUESTS"

_DEFAULT_MESSAGES = {
    UNAUTHORIZED: "authentication required",
    DENIED: "requested access to the resource is denied",
    MANIFEST_UNKNOWN: "manifest unknown",
    BLOB_UNKNOWN: "blob unknown to registry",
    NAME_UNKNOWN: "repository name not known to registry",
    TOO_MANY_REQUESTS: "too many requests",
}
_TEMPORARY_ERRNOS = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EPIPE})
_UNKNOWN_AUTHORITY_CODES = frozenset({2, 18, 19, 20, 21, 27})
_EXPIRED_CODES = frozenset({9, 10})
_FAILED_ADDRESS = re.compile(r"\('([^']+)', (\d+)")
_SHOWN_BODY_CHARS = 300


class RegistryError(Upstream):
    """A registry or its token server refused, failed or did not answer.

    `error_code` is the registry's own code (`MANIFEST_UNKNOWN`) or one of this module's constants
    where no registry spoke; `status` the HTTP status, 0 without an answer.
    """

    def __init__(
        self,
        error_code: str,
        status: int,
        message: str,
        *,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=status, transient=transient, retry_after_s=retry_after_s)
        self.error_code = error_code
        self.status = status


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One entry of a registry's error list."""

    error_code: str
    text: str


def shown_url(url: URL) -> str:
    """The URL for a message: without query and user, which may hold signatures or passwords."""
    return str(url.with_query(None).with_user(None).with_fragment(None))


def network_error(
    method: str, url: URL, error_code: str, text: str, *, transient: bool = False
) -> RegistryError:
    """An error in the form of Go's `url.Error`: `Get "https://host/v2/": <text>`."""
    message = f'{method.capitalize()} "{shown_url(url)}": {text}'
    return RegistryError(error_code, 0, message, transient=transient or error_code == TIMEOUT)


def translate_client_error(method: str, url: URL, error: BaseException) -> RegistryError:
    """Turn what aiohttp raised for one request into a `RegistryError` in Go's wording."""
    if isinstance(error, TimeoutError):
        return network_error(method, url, TIMEOUT, "context deadline exceeded")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        text = f"dial tcp: lookup {url.host}: no such host"
        return network_error(method, url, TRANSPORT, text)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        text = "EOF" if isinstance(error, aiohttp.ServerDisconnectedError) else "unexpected EOF"
        return network_error(method, url, TRANSPORT, text, transient=True)
    return _translate_causes(method, url, error)


def _translate_causes(method: str, url: URL, error: BaseException) -> RegistryError:
    for cause in _causes(error):
        # aiohttp's own are SSLErrors as well, without the fields of one.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, aiohttp.ClientError):
            return network_error(method, url, TLS, _tls_text(cause, url))
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            is_dialing = isinstance(error, aiohttp.ClientConnectorError)
            return _os_error(method, url, cause, is_dialing=is_dialing)
    detail = str(error) or type(error).__name__
    return network_error(method, url, PROTOCOL, f"malformed HTTP response: {detail}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps, and the errors of each address that was tried."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        wrapped = getattr(current, "os_error", None) or getattr(current, "certificate_error", None)
        if isinstance(wrapped, BaseException):
            pending.append(wrapped)
        if isinstance(current, BaseExceptionGroup):
            pending.extend(current.exceptions)
        if current.__cause__ is not None:
            pending.append(current.__cause__)


def _os_error(method: str, url: URL, error: OSError, *, is_dialing: bool) -> RegistryError:
    assert error.errno is not None
    reason = _errno_text(error.errno)
    failed = _FAILED_ADDRESS.search(str(error))
    host, port = (failed[1], failed[2]) if failed else (url.host or "", str(url.port))
    host = f"[{host}]" if ":" in host else host
    text = (
        f"dial tcp {host}:{port}: connect: {reason}"
        if is_dialing
        else f"read tcp {host}:{port}: read: {reason}"
    )
    is_temporary = error.errno in _TEMPORARY_ERRNOS
    return network_error(method, url, TRANSPORT, text, transient=is_temporary)


def _errno_text(number: int) -> str:
    texts = {
        errno.ECONNREFUSED: "connection refused",
        errno.ECONNRESET: "connection reset by peer",
        errno.ETIMEDOUT: "connection timed out",
        errno.EHOSTUNREACH: "no route to host",
        errno.ENETUNREACH: "network is unreachable",
        errno.EPIPE: "broken pipe",
    }
    return texts.get(number, errno.errorcode.get(number, str(number)))


def _tls_text(error: ssl.SSLError, url: URL) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
    code = error.verify_code
    if code in _UNKNOWN_AUTHORITY_CODES:
        reason = "certificate signed by unknown authority"
    elif code in _EXPIRED_CODES:
        reason = "certificate has expired or is not yet valid"
    else:
        reason = f"certificate is not valid for {url.host}: {error.verify_message}"
    return f"tls: failed to verify certificate: x509: {reason}"


def error_from_answer(
    status: int, body: bytes, *, retry_after_s: float | None = None
) -> RegistryError:
    """The error of an answer with status 400 or more, as the distribution client words it.

    5xx bodies are not shown; 4xx bodies are read as an error list, else quoted in part.
    """
    transient = status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500
    if status >= 500:
        text = f"received unexpected HTTP status: {status_line(status)}"
        return RegistryError("UNKNOWN", status, text, transient=True, retry_after_s=retry_after_s)
    diagnostics = parse_error_list(status, body)
    if not diagnostics:
        code = UNAUTHORIZED if status == HTTPStatus.UNAUTHORIZED else "UNKNOWN"
        return RegistryError(
            code,
            status,
            _unparsable(status, body),
            transient=transient,
            retry_after_s=retry_after_s,
        )
    texts = [diagnostic.text for diagnostic in diagnostics]
    message = texts[0] if len(texts) == 1 else "errors:\n" + "\n".join(texts) + "\n"
    return RegistryError(
        diagnostics[0].error_code,
        status,
        message,
        transient=transient,
        retry_after_s=retry_after_s,
    )


def parse_error_list(status: int, body: bytes) -> tuple[Diagnostic, ...]:
    """Read `{"errors": [{code, message}]}` or Docker Hub's `{"details": text}`; else empty."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return ()
    if not isinstance(parsed, dict):
        return ()
    details = parsed.get("details")
    if isinstance(details, str) and details:
        code = {401: UNAUTHORIZED, 429: TOO_MANY_REQUESTS}.get(status, "UNKNOWN")
        return (_diagnostic(code, details),)
    errors = parsed.get("errors")
    if not isinstance(errors, list):
        return ()
    return tuple(
        _diagnostic(str(entry.get("code") or "UNKNOWN").upper(), entry.get("message"))
        for entry in errors
        if isinstance(entry, dict)
    )


def _diagnostic(code: str, message: object) -> Diagnostic:
    text = message if isinstance(message, str) and message else _DEFAULT_MESSAGES.get(code, "")
    label = code.lower().replace("_", " ")
    return Diagnostic(code, f"{label}: {text or 'unknown error'}"[:2000])


def _unparsable(status: int, body: bytes) -> str:
    shown = body[:_SHOWN_BODY_CHARS].decode(errors="replace")
    quoted = json.dumps(shown, ensure_ascii=False)
    if not body:
        reason = "unexpected end of JSON input"
    elif shown.lstrip()[:1] not in {"{", "["}:
        reason = f"invalid character '{shown.lstrip()[:1]}' looking for beginning of value"
    else:
        reason = "no error details found"
    return f"error parsing HTTP {status} response body: {reason}: {quoted}"


def status_line(status: int) -> str:
    """`502 Bad Gateway`, as Go prints a status."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
