"""What the relay is handed: committed messages in order, and where it was.

Protocols and values only; the store implements them, the relay uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One committed message. `(position, number)` is its place in the one order;
    `message_id` is the same whenever it is read.
    """

    position: int
    number: int
    subject: str
    message_id: str
    headers: Mapping[str, str]
    data: bytes


class Outbox(Protocol):
    """Committed messages, readable again and again."""

    async def read(self, after: int, limit: int) -> list[OutboxMessage]:
        """Messages of positions above `after`, in `(position, number)` order.

        Whole positions only: about `limit` messages, but at least one whole position if any is
        there, and never a part of one.
        """

    async def wait(self, timeout_s: float) -> None:
        """Return when there may be something new, at the latest after `timeout_s`."""


class Cursor(Protocol):
    """The last position known to be published, where the stream itself cannot tell."""

    async def load(self) -> int:
        """0 when nothing was ever saved."""

    async def save(self, position: int) -> bool:
        """False, and nothing saved, when the caller's epoch is over."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the stream is.

    `number` is the last one published of `position`; `whole` says that it has no more. `last_seq`
    is the sequence that the next message expects to follow.
    """

    position: int
    number: int
    last_seq: int
    whole: bool

    @property
    def read_after(self) -> int:
        """From where to read on; a position that may be half done is read again."""
        return self.position if self.whole else self.position - 1

    def is_behind(self, message: OutboxMessage) -> bool:
        """True when the message is still to be published."""
        if self.whole:
            return message.position > self.position
        return (message.position, message.number) > (self.position, self.number)

    def is_before(self, other: Place) -> bool:
        """True when `other` is further along."""
        mine = (self.position, self.whole, self.number)
        return mine < (other.position, other.whole, other.number)
