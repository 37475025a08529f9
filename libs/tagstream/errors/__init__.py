"""What can go wrong, classed by what the caller does next.

A message handler and the HTTP edge each need one answer from an error: is it the sender's fault,
a lost race, somebody else's server, or ours being away? Every adapter translates its library's
errors into these at its own edge and chains the cause. This module imports nothing.

    TagstreamError
    ├── InvalidInput   cannot be right later either           422, dead letter
    ├── NotFound       gone, or never was                      404, finish quietly
    ├── Conflict       lost an optimistic race                 409, read again and retry
    ├── Upstream       a registry or a cluster said no         condition on the tag, or a retry
    └── Unavailable    Postgres or NATS is away                503, retry later
"""

from __future__ import annotations


class TagstreamError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")


class InvalidInput(TagstreamError):
    """The input cannot be accepted, now or later.

    `field` is the path of the offending field as a user would write it (`spec.tags[0].from.name`),
    empty when the whole input is meant; `reason` is one sentence that names the fix.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class NotFound(TagstreamError):
    """The object does not exist."""


class Conflict(TagstreamError):
    """The object changed while it was being worked on."""


class Upstream(TagstreamError):
    """A server that is not ours refused or failed.

    `code` is the HTTP status it answered, or 0 when it did not answer; `retry_after_s` is what it
    asked for, if it asked.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.transient = transient
        self.retry_after_s = retry_after_s


class Unavailable(TagstreamError):
    """A server that Tagstream needs is away."""
