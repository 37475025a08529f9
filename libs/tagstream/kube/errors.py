"""From the server's answer to our errors.

Owns the reading of `metav1.Status` bodies. Messages are cut to a bounded length and never hold
what we sent, so that no secret comes back through them.
"""

from __future__ import annotations

import orjson

from tagstream.errors import Conflict, InvalidInput, NotFound, TagstreamError, Upstream

MAX_ERROR_BODY_BYTES = 64 * 1024
_MAX_MESSAGE_CHARS = 500


class Expired(TagstreamError):
    """The resourceVersion or continue token is too old (410): list again from the start."""


class Uncertain(Conflict):
    """Sent twice, because the connection ended, and refused the second time: the first one may have
    been done."""


def parse_status_message(body: bytes, fallback: str) -> str:
    """The message of a Status body, or `fallback` when the body is something else."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return fallback
    message = status.get("message") if isinstance(status, dict) else None
    return message[:_MAX_MESSAGE_CHARS] if isinstance(message, str) and message else fallback


def classify_answer(
    code: int, body: bytes, what: str, retry_after_s: float | None = None
) -> TagstreamError:
    """The error for an answer that is not a success; `what` says what was asked, for people.

    400 and 422 are InvalidInput: the same request will not be accepted later either.
    """
    message = f"{what}: {parse_status_message(body, f'HTTP {code}')}"
    match code:
        case 404:
            return NotFound(message)
        case 409:
            return Conflict(message)
        case 410:
            return Expired(message)
        case 400 | 413 | 415 | 422:
            return InvalidInput("", message)
    transient = code in (408, 429) or code >= 500
    return Upstream(message, code=code, transient=transient, retry_after_s=retry_after_s)
