"""Request and reply: asking a service now, and how a failed answer travels.

FastStream owns the subscribers; this module owns its settings and the form of an error reply:
header `Tagstream-Error` with the class of `tagstream.errors`, a JSON body with its fields.
Durable messages never go through here: see `consume.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from faststream import AckPolicy, BaseMiddleware
from faststream.message import StreamMessage
from faststream.nats import NatsBroker, NatsResponse
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError

from tagstream.bus.connection import build_settings, round_trip
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

_log = structlog.get_logger(__name__)


def build_broker(
    url: str,
    name: str,
    *,
    on_closed: Callable[[], None],
    on_error: Callable[[Exception], None] | None = None,
    graceful_timeout_s: float = 20.0,
) -> NatsBroker:
    """A FastStream broker with a connection of its own and our settings.

    Handlers get the body as bytes, which FastStream would otherwise guess to be JSON. Register
    with `@broker.subscriber(subject, queue=..., max_workers=n)`: without `max_workers` a replica
    answers one request after another. A durable subscriber put on it by mistake would retry a
    failed message, where FastStream's default throws it away.
    """
    return NatsBroker(
        url.split(","),
        name=name,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        graceful_timeout=graceful_timeout_s,
        middlewares=[ErrorReplies],
        decoder=_body_as_sent,
        logger=None,
        **build_settings(name, on_closed, on_error),
    )


async def start_serving(broker: NatsBroker) -> None:
    """Start the subscribers and return once the server knows them.

    `broker.start()` alone returns earlier: a request in between finds nobody listening.
    """
    await broker.start()
    await round_trip(await broker.connect(), timeout_s=5)


async def _body_as_sent(msg: StreamMessage[Any]) -> Any:
    return msg.body


class ErrorReplies(BaseMiddleware):
    """Answers a request whose handler failed, so that the asker hears it instead of a timeout."""

    async def consume_scope(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        msg: StreamMessage[Any],
    ) -> Any:
        """The handler's own answer, or the error in its place."""
        if not msg.reply_to:
            return await call_next(msg)
        try:
            answer = await call_next(msg)
            if isinstance(answer, bytes) and len(answer) > REPLY_MAX_BYTES:
                raise TagstreamError(f"the reply has {len(answer)} bytes, more than NATS carries")
            return answer
        except Exception as error:
            expected = isinstance(error, TagstreamError)
            _log.warning("request failed", error=repr(error), exc_info=None if expected else error)
            body, headers = encode_error(error)
            return NatsResponse(body, headers=headers)


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


async def request(
    nc: Client,
    subject: str,
    payload: bytes,
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Ask whoever serves `subject`.

    Raises `Unavailable` when nobody serves it, none answered in time, or NATS is away; otherwise
    the error that the handler raised. Never asks twice: a request may have had its effect.
    """
    try:
        reply: Msg = await nc.request(
            subject, payload, timeout=timeout_s, headers=dict(headers) if headers else None
        )
    except NoRespondersError as error:
        raise Unavailable(f"no service is listening on {subject}") from error
    except MaxPayloadError as error:
        raise InvalidInput("", f"a request of {len(payload)} bytes is too large") from error
    except TimeoutError as error:
        raise Unavailable(f"no answer from {subject} within {timeout_s} s") from error
    except NatsError as error:
        raise Unavailable(f"NATS is away: {error!r}") from error
    kind = (reply.headers or {}).get(ERROR_HEADER)
    if kind is not None:
        raise decode_error(kind, reply.data)
    return reply.data
