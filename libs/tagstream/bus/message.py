"""A delivered message as handlers see it, free of the client's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nats.aio.msg import Msg
from nats.errors import NotJSMessageError

from tagstream.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of one stored message.

    Header names are lower case: senders in other languages write `Content-Type` and `Ce-Id`.
    `deliveries` counts every delivery by the server, this one included, whatever its reason was
    (a delay that we asked for, a restart, a failure), so it is not a count of failures.
    """

    subject: str
    headers: Mapping[str, str]
    data: bytes
    stream_seq: int
    deliveries: int
    published_at: datetime


def parse_message(raw: Msg) -> Message:
    """Raises `InvalidInput` when `raw` was not delivered by JetStream."""
    try:
        metadata = raw.metadata
    except NotJSMessageError as error:
        raise InvalidInput("reply", "is not the subject of a JetStream delivery") from error
    return Message(
        subject=raw.subject,
        headers={name.lower(): value for name, value in (raw.headers or {}).items()},
        data=raw.data,
        stream_seq=metadata.sequence.stream,
        deliveries=metadata.num_delivered,
        published_at=metadata.timestamp,
    )
