"""What every error becomes for a client (tagstream.errors has the taxonomy)."""

from __future__ import annotations

import structlog

from tagstream.api.wire.status import ApiError, internal, timeout, unavailable
from tagstream.errors import Conflict, InvalidInput, NotFound, Unavailable, Upstream
from tagstream.telemetry.tracing import current_trace_id

_log = structlog.get_logger("tagstream.api")


def as_api_error(error: Exception) -> ApiError:
    """The refusal for an error; a bug is logged with its traceback and told without details."""
    match error:
        case ApiError():
            return error
        case Conflict():
            text = "the object has been modified; please apply your changes to the latest version"
            return ApiError(409, "Conflict", f"{text} and try again", {})
        case Unavailable():
            _log.warning("a server is away", error=str(error))
            return unavailable("a server that the api needs is away, please try again")
        case InvalidInput():
            return ApiError(422, "Invalid", str(error), {})
        case NotFound():
            return ApiError(404, "NotFound", str(error), {})
        case Upstream():
            return ApiError(502, "BadGateway", str(error), {})
        case TimeoutError():
            return timeout()
    _log.error("a request failed by a bug", exc_info=error, trace_id=current_trace_id())
    return internal(f"the request failed; its trace is {current_trace_id()}")
