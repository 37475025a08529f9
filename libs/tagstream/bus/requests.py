"""Asking a service now, and asking another replica when the one that has the request falls silent.

Owns the asker's side of a request; what silence means is decided in `signs.py`. Serving is in
`serving.py` and `sharing.py`, which alone need FastStream: whoever only asks starts faster and
smaller without it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from tagstream.bus.replies import ERROR_HEADER, decode_error
from tagstream.bus.signs import (
    WANTED_HEADER,
    Asking,
    Step,
    is_replica_subject,
    look_subject,
    sign_of,
)
from tagstream.errors import InvalidInput, Unavailable

_RECONNECT_S = 2.0
_LOOK_EVERY_S = 0.02

_log = structlog.get_logger(__name__)


class Asker:
    """Asks over one connection; any number of requests share it and its inbox."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._inbox = nc.new_inbox()
        self._heard: dict[str, asyncio.Queue[Msg]] = {}
        self._opening = asyncio.Lock()
        self._is_open = False

    async def ask(
        self,
        subject: str,
        build_payload: Callable[[float], bytes],
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Ask whoever serves `subject`; `build_payload` is told how many seconds are left.

        A request may be worked on by two replicas, one of which was thought dead: it must do no
        harm twice. The first answer counts. Raises `Unavailable` when nobody serves the subject,
        none answered in time, or NATS is away; otherwise the error that the handler raised.
        """
        await _wait_until_connected(self._nc, min(timeout_s, _RECONNECT_S))
        asked = {**(headers or {}), WANTED_HEADER: "1"}
        until = time.monotonic() + timeout_s
        try:
            async with asyncio.timeout(timeout_s), self._listen() as (inbox, heard):
                one = _Request(self._nc, subject, build_payload, until, asked, inbox)
                reply = await one.answer(heard)
        except MaxPayloadError as error:
            raise InvalidInput("", f"a request to {subject} is too large for NATS") from error
        except TimeoutError as error:
            raise Unavailable(f"no answer from {subject} within {timeout_s} s") from error
        except NatsError as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
        kind = (reply.headers or {}).get(ERROR_HEADER)
        if kind is not None:
            raise decode_error(kind, reply.data)
        return reply.data

    @asynccontextmanager
    async def _listen(self) -> AsyncIterator[tuple[str, asyncio.Queue[Msg]]]:
        async with self._opening:
            if not self._is_open:
                await self._nc.subscribe(f"{self._inbox}.*", cb=self._on_message)
                self._is_open = True
        inbox = f"{self._inbox}.{uuid.uuid4().hex}"
        heard = self._heard[inbox] = asyncio.Queue()
        try:
            yield inbox, heard
        finally:
            del self._heard[inbox]

    async def _on_message(self, message: Msg) -> None:
        heard = self._heard.get(message.subject)
        # Else it is for a request that has its answer, or whose asker has gone.
        if heard is not None:
            heard.put_nowait(message)


@dataclass(frozen=True, slots=True)
class _Request:
    nc: Client
    subject: str
    build_payload: Callable[[float], bytes]
    until: float
    headers: dict[str, str]
    inbox: str

    async def answer(self, heard: asyncio.Queue[Msg]) -> Msg:
        """The first message that is no sign."""
        await self._give(self.subject)
        asking = Asking(time.monotonic())
        while True:
            message = await _next(heard, asking.due_at - time.monotonic())
            now = time.monotonic()
            if message is None:
                step = asking.on_silence(now)
            elif (sign := sign_of(message.headers)) is not None:
                step = asking.on_sign(sign, now)
            else:
                return message
            await self._do(step, message)

    async def _do(self, step: Step, message: Msg | None) -> None:
        match step:
            case Step.REFUSE:
                raise Unavailable(f"no service is listening on {self.subject}")
            case Step.GIVE if message is not None:
                await self._give_to(message.data.decode())
            # The client would keep the question for when there is a server again.
            case Step.LOOK if self.nc.is_connected:
                await self.nc.publish(look_subject(self.subject), reply=self.inbox)

    async def _give_to(self, replica: str) -> None:
        # A request may hold a pull secret: it goes to replicas of this service alone.
        if not is_replica_subject(self.subject, replica):
            raise Unavailable(f"{replica[:80]!r} is no replica of {self.subject}")
        _log.info("request given to another replica", subject=self.subject)
        await self._give(replica)

    async def _give(self, subject: str) -> None:
        payload = self.build_payload(self.until - time.monotonic())
        await self.nc.publish(subject, payload, reply=self.inbox, headers=self.headers)


async def _next(heard: asyncio.Queue[Msg], timeout_s: float) -> Msg | None:
    try:
        async with asyncio.timeout(timeout_s):
            return await heard.get()
    except TimeoutError:
        return None


async def _wait_until_connected(nc: Client, timeout_s: float) -> None:
    """The client would keep the request until there is a server again, and wait all the time."""
    for _ in range(int(timeout_s / _LOOK_EVERY_S)):
        if nc.is_connected:
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    if not nc.is_connected:
        raise Unavailable("NATS is away")
