"""A NATS connection for one command: it fails soon and with one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client

from tagstream.embedded.external import hide_password
from tagstream.errors import Unavailable

_TIMEOUT_S = 5.0


@asynccontextmanager
async def nats_connection(url: str) -> AsyncIterator[Client]:
    """Raises `Unavailable` if no server of the comma-separated `url` takes us within 5 s."""
    reasons: list[str] = []

    async def remember(error: Exception) -> None:
        reasons.append(str(error) or type(error).__name__)

    try:
        async with asyncio.timeout(_TIMEOUT_S):
            client = await nats.connect(
                url.split(","),
                name="tagstream-cli",
                error_cb=remember,
                connect_timeout=2,
                reconnect_time_wait=0.5,
                max_reconnect_attempts=-1,
                ping_interval=15,
            )
    except (OSError, ValueError, nats.errors.Error) as error:
        reason = reasons[-1] if reasons else str(error) or type(error).__name__
        raise Unavailable(
            f"NATS at {hide_password(url)} cannot be used ({reason}); "
            "check that the stack runs, or TAGSTREAM_NATS_URL"
        ) from error
    try:
        yield client
    finally:
        await client.close()
