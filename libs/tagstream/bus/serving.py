"""Serving requests: a FastStream broker with our settings.

FastStream owns the subscribers; how a failed answer travels is in `replies.py`. Durable messages
never go through here: see `consume.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from faststream import AckPolicy, BaseMiddleware
from faststream.message import StreamMessage
from faststream.nats import NatsBroker, NatsResponse

from tagstream.bus.connection import build_settings, round_trip
from tagstream.bus.replies import REPLY_MAX_BYTES, encode_error
from tagstream.errors import TagstreamError

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
