"""Requests that replicas share: taken by one, and by another when the first is thought dead.

Owns the replica's side: signs of life while it works, the answer to "who is there", and that a
request it already has is not begun again. How askers read the signs is `signs.py`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from faststream.nats import NatsBroker, NatsMessage, NatsResponse
from nats.errors import Error as NatsError

from tagstream.bus.signs import (
    SIGN_EVERY_S,
    SIGN_FIRST_S,
    SIGN_HEADER,
    WANTED_HEADER,
    Sign,
    look_subject,
    replica_subject,
)
from tagstream.errors import Unavailable

# Requests without a place wait with us, where they are seen to be alive; more wait unseen.
_HELD_MAX = 4096
_STOP_GRACE_S = 0.5

Answer = Callable[[bytes, NatsMessage], Awaitable[NatsResponse]]


def add_shared_subscriber(
    broker: NatsBroker,
    subject: str,
    answer: Answer,
    *,
    queue: str,
    places: int,
    stop: asyncio.Event,
) -> None:
    """Serve `subject` together with all replicas of `queue`, `places` requests at once.

    `answer` may be run for one request by two replicas. Once `stop` is set, what is not done in a
    moment is left to another replica; an asker that does not read signs hears Unavailable.
    """
    own = replica_subject(subject, uuid.uuid4().hex)
    replica = _Replica(broker, own, answer, stop, asyncio.Semaphore(places))

    @broker.subscriber(own, max_workers=_HELD_MAX)
    @broker.subscriber(subject, queue=queue, max_workers=_HELD_MAX)
    async def take(payload: bytes, message: NatsMessage) -> NatsResponse:
        return await replica.take(payload, message)

    @broker.subscriber(look_subject(subject), no_reply=True)
    async def look(message: NatsMessage) -> None:
        await replica.say_here(message.reply_to)


@dataclass(slots=True)
class _Replica:
    broker: NatsBroker
    own: str
    answer: Answer
    stop: asyncio.Event
    room: asyncio.Semaphore
    held: set[str] = field(default_factory=set)

    async def take(self, payload: bytes, message: NatsMessage) -> NatsResponse:
        """The answer, or a sign in its place."""
        inbox = message.reply_to
        if inbox in self.held:
            return _as_reply(Sign.WORKING)
        self.held.add(inbox)
        try:
            return await self._work(payload, message)
        finally:
            self.held.discard(inbox)

    async def say_here(self, inbox: str) -> None:
        """Who looks for a replica hears of this one, or that it already has the request."""
        if inbox in self.held:
            await self._sign(inbox, Sign.WORKING)
        elif not self.stop.is_set():
            await self._sign(inbox, Sign.HERE)

    async def _work(self, payload: bytes, message: NatsMessage) -> NatsResponse:
        is_wanted = WANTED_HEADER in (message.headers or {})
        working = asyncio.create_task(self._answer(payload, message))
        stopped = asyncio.create_task(self.stop.wait())
        try:
            await self._wait(working, stopped, message.reply_to if is_wanted else "")
            if working.done():
                return working.result()
            if is_wanted:
                return _as_reply(Sign.LEAVING)
            raise Unavailable("the service is stopping; ask again")
        finally:
            working.cancel()
            stopped.cancel()
            await asyncio.gather(working, stopped, return_exceptions=True)

    async def _wait(
        self, working: asyncio.Task[NatsResponse], stopped: asyncio.Task[bool], inbox: str
    ) -> None:
        """Until the work is done or, after a moment more, we have to stop."""
        pause_s = SIGN_FIRST_S if inbox else None
        while not working.done() and not stopped.done():
            done, _ = await asyncio.wait(
                {working, stopped}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                await self._sign(inbox, Sign.WORKING)
                pause_s = SIGN_EVERY_S
        if not working.done():
            await asyncio.wait({working}, timeout=_STOP_GRACE_S)

    async def _answer(self, payload: bytes, message: NatsMessage) -> NatsResponse:
        async with self.room:
            return await self.answer(payload, message)

    async def _sign(self, inbox: str, sign: Sign) -> None:
        # One that is lost is followed by another.
        with suppress(NatsError):
            body = self.own.encode() if sign is Sign.HERE else b""
            await self.broker.publish(body, inbox, headers={SIGN_HEADER: sign})


def _as_reply(sign: Sign) -> NatsResponse:
    return NatsResponse(b"", headers={SIGN_HEADER: sign})
