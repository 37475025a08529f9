"""Asking a service now. Serving is in `serving.py`, which alone needs FastStream: whoever only
asks starts faster and smaller without it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError

from tagstream.bus.replies import ERROR_HEADER, decode_error
from tagstream.errors import InvalidInput, Unavailable

_RECONNECT_S = 2.0
_LOOK_EVERY_S = 0.02


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
    await _wait_until_connected(nc, min(timeout_s, _RECONNECT_S))
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


async def _wait_until_connected(nc: Client, timeout_s: float) -> None:
    """The client would keep the request until there is a server again, and wait all the time."""
    for _ in range(int(timeout_s / _LOOK_EVERY_S)):
        if nc.is_connected:
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    if not nc.is_connected:
        raise Unavailable("NATS is away")
