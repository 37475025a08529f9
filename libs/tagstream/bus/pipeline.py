"""Many publishes in flight, each accepted only right behind the one before it.

Owns the acknowledgements. The client's `publish_async` loses the error of a refused publish (its
future never ends), and awaiting each publish costs a factor of six.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from tagstream.bus.outbox import OutboxMessage
from tagstream.bus.resume import NUMBER_HEADER, POSITION_HEADER

_WRONG_LAST_SEQUENCE = 10071


class Failure(StrEnum):
    """Why a run of publishes ended early."""

    OVERTAKEN = "another publisher was first, or a duplicate broke the chain"
    NO_STREAM = "no stream takes the subject"
    UNANSWERED = "not every publish was answered"
    REFUSED = "the server refused"


@dataclass(frozen=True, slots=True)
class Sent:
    """`accepted` messages from the front are in the stream for sure; whether any behind them is,
    only the stream can tell.
    """

    accepted: int
    last_seq: int
    failure: Failure | None = None
    detail: str = ""


class _AckError(TypedDict, total=False):
    err_code: int
    description: str


class _Ack(TypedDict, total=False):
    seq: int
    duplicate: bool
    error: _AckError


@dataclass(slots=True)
class _Run:
    size: int
    answers: dict[int, _Ack] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Pipeline:
    """Publishes runs of messages to one stream, one run at a time."""

    def __init__(self, nc: Client, stream: str, *, timeout_s: float) -> None:
        self._nc = nc
        self._stream = stream
        self._timeout_s = timeout_s
        self._inbox = nc.new_inbox()
        self._subscription: Subscription | None = None
        self._runs = 0
        self._run = _Run(0)

    async def open(self) -> None:
        """Start to listen for acknowledgements."""
        self._subscription = await self._nc.subscribe(f"{self._inbox}.*.*", cb=self._on_ack)

    async def close(self) -> None:
        """Stop listening."""
        if self._subscription is not None and not self._nc.is_closed:
            await self._subscription.unsubscribe()

    async def publish(self, messages: Sequence[OutboxMessage], last_seq: int) -> Sent:
        """Publish in order; the first expects to follow `last_seq`, each other its predecessor.

        After the first that is refused the rest are refused as well, so the order holds and
        nothing is left out in between.
        """
        self._runs += 1
        self._run = run = _Run(len(messages))
        detail = ""
        try:
            for index, message in enumerate(messages):
                await self._publish_one(index, message, last_seq + index)
            async with asyncio.timeout(self._timeout_s):
                await run.complete.wait()
        except (NatsError, TimeoutError) as error:
            detail = repr(error)
        return _judge(run, last_seq, detail)

    async def _publish_one(self, index: int, message: OutboxMessage, expected_seq: int) -> None:
        headers = {
            **message.headers,
            "Nats-Msg-Id": message.message_id,
            "Nats-Expected-Stream": self._stream,
            "Nats-Expected-Last-Sequence": str(expected_seq),
            POSITION_HEADER: str(message.position),
            NUMBER_HEADER: str(message.number),
        }
        reply = f"{self._inbox}.{self._runs}.{index}"
        await self._nc.publish(message.subject, message.data, reply=reply, headers=headers)

    async def _on_ack(self, raw: Msg) -> None:
        number, index = raw.subject.rsplit(".", 2)[1:]
        if int(number) != self._runs:
            return
        run = self._run
        run.answers[int(index)] = _parse_ack(raw)
        if len(run.answers) == run.size:
            run.complete.set()


def _parse_ack(raw: Msg) -> _Ack:
    if raw.headers and "Status" in raw.headers:
        return {"error": {"err_code": 0, "description": Failure.NO_STREAM.value}}
    answer: _Ack = json.loads(raw.data)
    return answer


def _judge(run: _Run, last_seq: int, detail: str) -> Sent:
    for index in range(run.size):
        answer = run.answers.get(index)
        if answer is None:
            return Sent(index, last_seq, Failure.UNANSWERED, detail)
        if "error" in answer:
            code = answer["error"].get("err_code")
            description = answer["error"].get("description", "")
            return Sent(index, last_seq, _failure_of(code), f"{code} {description}")
        if not answer.get("duplicate"):
            last_seq = answer["seq"]
    return Sent(run.size, last_seq)


def _failure_of(err_code: int | None) -> Failure:
    if err_code == _WRONG_LAST_SEQUENCE:
        return Failure.OVERTAKEN
    return Failure.NO_STREAM if err_code == 0 else Failure.REFUSED
