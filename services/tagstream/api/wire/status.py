"""Kubernetes `v1` Status bodies: every refusal the API answers, with its exact text.

Owns `ApiError` and its constructors (spec/image-api-and-import.md §1.3). A group is "" for the
core group, so that a text reads `namespaces "x" not found`. The texts of single fields are in
`field_errors.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tagstream.api.wire.field_errors import FieldError, join_errors
from tagstream.api.wire.go_text import go_quote
from tagstream.api.wire.json_types import JsonObject

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
UNPROCESSABLE = "the server rejected our request due to an error in our request"


class ApiError(Exception):
    """A refusal that the HTTP edge answers as it is.

    `details` None leaves the key out, {} writes it empty: Kubernetes distinguishes the two.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: JsonObject | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    @property
    def retry_after_s(self) -> int | None:
        """Seconds for the `Retry-After` header, None when it has to be absent."""
        seconds = (self.details or {}).get("retryAfterSeconds")
        return seconds if isinstance(seconds, int) else None

    @property
    def status(self) -> JsonObject:
        """The body, a `v1` Status of kind Failure."""
        body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def build_success(
    *, resource: str = "", group: str = "", name: str = "", uid: str = "", code: int | None = None
) -> JsonObject:
    """A Status of kind Success: what DELETE answers, and (with code 201) a mapping's POST."""
    body: JsonObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    details = _details(name, group, resource, uid=uid)
    if details:
        body["details"] = details
    if code is not None:
        body["code"] = code
    return body


def not_found(resource: str, group: str, name: str) -> ApiError:
    """404 `<resource>.<group> "<name>" not found`."""
    message = f"{_qualified(resource, group)} {go_quote(name)} not found"
    return ApiError(404, "NotFound", message, _details(name, group, resource))


def generic_not_found() -> ApiError:
    """404 for a path that leads to no resource at all."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: str, group: str, name: str) -> ApiError:
    """409 `<resource>.<group> "<name>" already exists`."""
    message = f"{_qualified(resource, group)} {go_quote(name)} already exists"
    return ApiError(409, "AlreadyExists", message, _details(name, group, resource))


def generate_name_conflict(resource: str, group: str, name: str) -> ApiError:
    """409 for a generated name that was taken; the client may simply try again."""
    message = (
        f"{_qualified(resource, group)} {go_quote(name)} already exists, "
        "the server was not able to generate a unique name for the object"
    )
    details = _details(name, group, resource, retry_after_s=1)
    return ApiError(409, "AlreadyExists", message, details)


def conflict(resource: str, group: str, name: str, cause: str = MODIFIED) -> ApiError:
    """409 `Operation cannot be fulfilled on ...: <cause>`; the default cause is a lost race."""
    message = f"Operation cannot be fulfilled on {_qualified(resource, group)} {go_quote(name)}"
    return ApiError(409, "Conflict", f"{message}: {cause}", _details(name, group, resource))


def invalid(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 naming every field error; equal texts appear once in the message, all in the causes."""
    message = f"{_qualified(kind, group)} {go_quote(name)} is invalid"
    if errors:
        message += ": " + join_errors(errors)
    details = _details(name, group, kind)
    if errors:
        details["causes"] = [error.cause for error in errors]
    return ApiError(422, "Invalid", message, details)


def unprocessable() -> ApiError:
    """422 for a patch that cannot be applied to this object."""
    return ApiError(422, "Invalid", UNPROCESSABLE, {})


def forbidden(resource: str, group: str, name: str, cause: str) -> ApiError:
    """403 `<resource>.<group> "<name>" is forbidden: <cause>`; resource and name may be empty."""
    if not resource:
        message = f"forbidden: {cause}"
    elif not name:
        message = f"{_qualified(resource, group)} is forbidden: {cause}"
    else:
        message = f"{_qualified(resource, group)} {go_quote(name)} is forbidden: {cause}"
    return ApiError(403, "Forbidden", message, _details(name, group, resource))


def unauthorized(message: str = "Unauthorized") -> ApiError:
    """401: the caller is not known."""
    return ApiError(401, "Unauthorized", message)


def bad_request(message: str) -> ApiError:
    """400: the text alone."""
    return ApiError(400, "BadRequest", message)


def method_not_allowed(resource: str, group: str, verb: str) -> ApiError:
    """405 `<verb> is not supported on resources of kind "<resource>.<group>"`."""
    message = (
        f"{verb} is not supported on resources of kind {go_quote(_qualified(resource, group))}"
    )
    return ApiError(405, "MethodNotAllowed", message, _details("", group, resource))


def generic_method_not_allowed() -> ApiError:
    """405 for an HTTP method that the path has no handler for."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def not_acceptable(media_types: Sequence[str]) -> ApiError:
    """406: the Accept header names nothing that this path can answer."""
    accepted = ", ".join(media_types)
    return ApiError(
        406, "NotAcceptable", f"only the following media types are accepted: {accepted}"
    )


def unsupported_media_type() -> ApiError:
    """415 for a PATCH whose content type is no patch type."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_body_type(media_types: Sequence[str]) -> ApiError:
    """415 for a body whose content type has no decoder here."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(media_types)
    )
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str) -> ApiError:
    """410 Expired: a watch or continue token from before the journal's window; list again."""
    return ApiError(410, "Expired", message)


def gone(message: str) -> ApiError:
    """410 Gone: what was asked for will not come back."""
    return ApiError(410, "Gone", message)


def too_large(message: str) -> ApiError:
    """413 `Request entity too large: <message>`."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


def server_timeout(resource: str, group: str, verb: str, retry_after_s: int = 2) -> ApiError:
    """500 ServerTimeout: could not be completed now, a later try may succeed."""
    message = (
        f"The {verb} operation against {_qualified(resource, group)} "
        "could not be completed at this time, please try again."
    )
    details = _details("", group, resource, retry_after_s=retry_after_s)
    return ApiError(500, "ServerTimeout", message, details)


def timeout(message: str = "") -> ApiError:
    """504: the request's own deadline passed (spec/image-api-and-import.md §1.2)."""
    text = message or (
        "request did not complete within requested timeout - context deadline exceeded"
    )
    return ApiError(504, "Timeout", f"Timeout: {text}", {})


def internal(cause: str) -> ApiError:
    """500 `Internal error occurred: <cause>`. The cause must hold no secret and no traceback."""
    message = f"Internal error occurred: {cause}"
    return ApiError(500, "InternalError", message, {"causes": [{"message": cause}]})


def unavailable(message: str, retry_after_s: int = 1) -> ApiError:
    """503: Postgres or NATS is away; the client shall wait `retry_after_s`."""
    return ApiError(503, "ServiceUnavailable", message, {"retryAfterSeconds": retry_after_s})


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(
    name: str, group: str, kind: str, *, uid: str = "", retry_after_s: int = 0
) -> JsonObject:
    """Details in Kubernetes' key order, empty values left out."""
    details: JsonObject = {
        "name": name,
        "group": group,
        "kind": kind,
        "uid": uid,
        "retryAfterSeconds": retry_after_s,
    }
    return {key: value for key, value in details.items() if value}
