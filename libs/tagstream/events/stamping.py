"""From a fact or a job to the row that the journal keeps: numbered, stamped with its command.

Owns ids and what every message says of who, why and when. Pure: the position is added by whoever
knows it, at the very end of the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tagstream.events.envelope import fact_id
from tagstream.events.message import Message, format_timestamp
from tagstream.events.outgoing import subject_of

# Facts and jobs of one command share one number space for their ids.
FIRST_FACT = 1
FIRST_JOB = 1_000_001
FIRST_REQUEUED = 2_000_001


class Cause(Protocol):
    """What a message tells of the command that made it."""

    @property
    def id(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Stamped:
    """A row of `facts` or `jobs`, still without its position."""

    id: str
    type: str
    subject: str
    data: dict[str, object]


def stamp(cause: Cause, messages: Sequence[Message], first: int) -> list[Stamped]:
    """The rows of a command's messages; `first` is the number of the first one."""
    return [_stamped(cause, number, one) for number, one in enumerate(messages, start=first)]


def _stamped(cause: Cause, number: int, message: Message) -> Stamped:
    data = message.to_data()
    data["actor"] = cause.actor
    data["cause"] = cause.cause
    data["commandId"] = cause.id
    data["occurredAt"] = format_timestamp(cause.at)
    return Stamped(
        fact_id(cause.id, number, message.TYPE), message.TYPE, subject_of(message.TYPE, data), data
    )
