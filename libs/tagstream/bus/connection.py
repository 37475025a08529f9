"""One NATS connection, set so that it never gives up and never fails silently.

Owns the client settings. Does not own what runs over the connection, nor the decision to exit:
that is the caller's `on_closed`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

import nats
import structlog
from nats.aio.client import Client, Server
from nats.errors import NoRespondersError

from tagstream.errors import Unavailable

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

RECONNECT_WAIT_MIN_S = 0.25
RECONNECT_WAIT_MAX_S = 1.0

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class ConnectionSettings(TypedDict):
    """The settings that every connection shares; FastStream's broker takes the same names."""

    max_reconnect_attempts: int
    ping_interval: int
    max_outstanding_pings: int
    connect_timeout: int
    reconnect_time_wait: int
    closed_cb: Callable[[], Awaitable[None]]
    error_cb: Callable[[Exception], Awaitable[None]]
    reconnect_to_server_handler: Callable[
        [list[Server], dict[str, object]], tuple[Server | None, float]
    ]


def build_settings(
    name: str,
    on_closed: Callable[[], None],
    on_error: Callable[[Exception], None] | None = None,
) -> ConnectionSettings:
    """The client's own defaults give up for good after 60 attempts and see a dead peer after
    four minutes; these never give up and see it within 45 s.
    """

    async def closed() -> None:
        _log.info("connection to NATS closed", connection=name)
        on_closed()

    async def failed(error: Exception) -> None:
        _log.warning("connection to NATS failed", connection=name, error=repr(error))
        if on_error is not None:
            on_error(error)

    return ConnectionSettings(
        max_reconnect_attempts=-1,
        ping_interval=15,
        max_outstanding_pings=2,
        connect_timeout=5,
        reconnect_time_wait=1,
        closed_cb=closed,
        error_cb=failed,
        reconnect_to_server_handler=_choose_server,
    )


async def connect(
    url: str,
    *,
    name: str,
    on_closed: Callable[[], None],
    on_error: Callable[[Exception], None] | None = None,
    timeout_s: float | None = None,
) -> Client:
    """Connect to one server, or to a comma-separated list of servers of one cluster.

    Waits for a server for as long as it takes, or raises `Unavailable` after `timeout_s`.
    `on_closed` is called once when the connection is closed for good, by us or by the client: a
    process that did not ask for it has to exit. `on_error` counts what `error_cb` hears.
    """
    settings = build_settings(name, on_closed, on_error)
    try:
        async with asyncio.timeout(timeout_s):
            return await nats.connect(url.split(","), name=name, **settings)
    except TimeoutError as error:
        raise Unavailable(f"no NATS server answered within {timeout_s} s") from error


async def round_trip(nc: Client, *, timeout_s: float) -> None:
    """Return once the server has handled everything that was sent before.

    The client's own `flush()` does not tell: its PING overtakes commands that are still buffered.
    Raises the client's error, or `TimeoutError`, when no answer comes.
    """
    with suppress(NoRespondersError):
        await nc.request(nc.new_inbox(), timeout=timeout_s)


def _choose_server(
    servers: list[Server], _server_info: dict[str, object]
) -> tuple[Server | None, float]:
    """Spread the reconnects of many replicas over servers and over time."""
    return random.choice(servers), random.uniform(RECONNECT_WAIT_MIN_S, RECONNECT_WAIT_MAX_S)
