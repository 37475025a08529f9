"""How a failed answer to a request travels: header `Tagstream-Error` with the class of
`tagstream.errors`, a JSON body with its fields."""

from __future__ import annotations

import json
from typing import Any, cast

from tagstream.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    TagstreamError,
    Unavailable,
    Upstream,
)

ERROR_HEADER = "Tagstream-Error"
REPLY_MAX_BYTES = 1_000_000
"""The server's limit is 1 MiB for headers and body."""


def encode_error(error: Exception) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an error reply. Only our own errors tell their text: a foreign one may
    hold a credential.
    """
    fields: dict[str, object] = {}
    kind = TagstreamError.__name__
    if isinstance(error, TagstreamError):
        kind = type(error).__name__
        fields["message"] = str(error)
    if isinstance(error, InvalidInput):
        fields |= {"field": error.field, "reason": error.reason}
    if isinstance(error, Upstream):
        fields |= {
            "code": error.code,
            "transient": error.transient,
            "retry_after_s": error.retry_after_s,
        }
    return json.dumps(fields).encode(), {ERROR_HEADER: kind}


def decode_error(kind: str, body: bytes) -> TagstreamError:
    """The error that `encode_error` wrote; of an unknown kind, a plain `TagstreamError`."""
    try:
        fields = cast("dict[str, Any]", json.loads(body))
    except ValueError:
        fields = {}
    message = str(fields.get("message") or "the service failed to answer; its log says why")
    match kind:
        case "InvalidInput":
            return InvalidInput(str(fields.get("field", "")), str(fields.get("reason", message)))
        case "Upstream":
            return Upstream(
                message,
                code=int(fields.get("code") or 0),
                transient=bool(fields.get("transient")),
                retry_after_s=fields.get("retry_after_s"),
            )
        case "NotFound":
            return NotFound(message)
        case "Conflict":
            return Conflict(message)
        case "Unavailable":
            return Unavailable(message)
        case _:
            return TagstreamError(message)
