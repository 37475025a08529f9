"""Publishing a run of messages: all of them right behind a known sequence, or none.

Owns one exchange with the server. Single publishes that each expect their predecessor's sequence
would not do: when somebody else's message comes in between, the first is refused and the second
finds the sequence it expected, so the first is left out. An atomic batch (server 2.12) cannot.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from tagstream.bus.outbox import OutboxMessage
from tagstream.bus.resume import NUMBER_HEADER, POSITION_HEADER

BATCH_MAX = 1000
"""The server's limit for one batch."""

_WRONG_LAST_SEQUENCE = 10071
_DUPLICATE_IN_BATCH = 10201


class Failure(StrEnum):
    """Why nothing was accepted; after `UNANSWERED` it may have been all the same."""

    OVERTAKEN = "another publisher was first"
    DUPLICATE = "the batch holds a message that the stream has"
    NO_STREAM = "no stream takes the subject"
    UNANSWERED = "no answer"
    REFUSED = "the server refused"


@dataclass(frozen=True, slots=True)
class Sent:
    """`accepted` is all or nothing. `last_seq` is the stream's end after it, where it is known;
    a duplicate, which only a run of one can be, counts as accepted and does not move it.
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


async def publish_run(
    nc: Client,
    stream: str,
    messages: Sequence[OutboxMessage],
    last_seq: int,
    *,
    timeout_s: float,
) -> Sent:
    """Publish 1 to `BATCH_MAX` messages in order, the first right behind `last_seq`.

    Never raises for what the server or the connection does.
    """
    batch_id = uuid.uuid4().hex if len(messages) > 1 else None
    try:
        for index, message in enumerate(messages):
            headers = _headers(stream, message, batch_id, index)
            if index == 0:
                headers["Nats-Expected-Last-Sequence"] = str(last_seq)
            if index < len(messages) - 1:
                await nc.publish(message.subject, message.data, headers=headers)
                continue
            if batch_id is not None:
                headers["Nats-Batch-Commit"] = "1"
            reply = await nc.request(
                message.subject, message.data, timeout=timeout_s, headers=headers
            )
    except NoRespondersError:
        return Sent(0, last_seq, Failure.NO_STREAM)
    except (NatsError, TimeoutError) as error:
        return Sent(0, last_seq, Failure.UNANSWERED, repr(error))
    return _judge(json.loads(reply.data), len(messages), last_seq)


def _headers(
    stream: str, message: OutboxMessage, batch_id: str | None, index: int
) -> dict[str, str]:
    headers = {
        **message.headers,
        "Nats-Msg-Id": message.message_id,
        "Nats-Expected-Stream": stream,
        POSITION_HEADER: str(message.position),
        NUMBER_HEADER: str(message.number),
    }
    if batch_id is not None:
        headers |= {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(index + 1)}
    return headers


def _judge(ack: _Ack, count: int, last_seq: int) -> Sent:
    error = ack.get("error")
    if error is None:
        return Sent(count, last_seq if ack.get("duplicate") else ack["seq"])
    code = error.get("err_code")
    detail = f"{code} {error.get('description', '')}"
    if code == _WRONG_LAST_SEQUENCE:
        return Sent(0, last_seq, Failure.OVERTAKEN, detail)
    if code == _DUPLICATE_IN_BATCH:
        return Sent(0, last_seq, Failure.DUPLICATE, detail)
    return Sent(0, last_seq, Failure.REFUSED, detail)
