"""Messages in our hands: what is held, how often each failed, and giving the answer.

Owns the translation of a `Disposition` into the client's calls. Does not own when a handler runs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tagstream.bus.message import Message
from tagstream.bus.outcomes import (
    Ack,
    DeadLetter,
    Deferred,
    FailureKind,
    Nak,
    Outcome,
    decide_disposition,
    failure_kind,
)
from tagstream.errors import Unavailable

_REMEMBERED_MAX = 20_000

_log = structlog.get_logger(__name__)


class DeadLetters(Protocol):
    """Where messages go that nobody can handle."""

    async def put(self, consumer: str, message: Message, error: str, attempts: int) -> None:
        """Keep the message durably. Returns before the message is finished on the bus, so a
        second call for the same consumer and `stream_seq` has to be harmless.
        """


@dataclass(slots=True)
class Delivery:
    """A message that the server counts on us for. `raw` is the newest of its deliveries."""

    raw: Msg
    message: Message
    lane: str
    received_at: float
    started: bool = False
    abandoned: bool = False


class Attempts:
    """How often each message failed here, by kind, for the latest 20,000 of them.

    The server's count also holds deliveries that were no failures (a full lane, a deferral, a
    restart). Forgetting, in a restart or past the limit, only ever adds attempts.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[int, dict[FailureKind, int]] = OrderedDict()

    def note(self, stream_seq: int, kind: FailureKind) -> int:
        """Count one failure; the number of this kind so far, this one included."""
        counts = self._counts.setdefault(stream_seq, {})
        self._counts.move_to_end(stream_seq)
        counts[kind] = counts.get(kind, 0) + 1
        while len(self._counts) > _REMEMBERED_MAX:
            self._counts.popitem(last=False)
        return counts[kind]

    def forget(self, stream_seq: int) -> None:
        """The message is finished."""
        self._counts.pop(stream_seq, None)

    def clear(self) -> None:
        """The stream may be a new one, whose sequence numbers start again."""
        self._counts.clear()


class Settler:
    """Answers the server for one consumer."""

    def __init__(
        self,
        consumer: str,
        dead_letters: DeadLetters,
        *,
        max_deliveries: int,
        rand: Callable[[], float],
    ) -> None:
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._max_deliveries = max_deliveries
        self._rand = rand
        self.attempts = Attempts()

    async def settle(self, delivery: Delivery, result: Outcome | Deferred | Exception) -> str:
        """Carry out what `decide_disposition` says; the label for log and metric.

        An answer that does not reach the server is no loss: the message comes again.
        """
        attempts = 1
        if isinstance(result, Exception):
            attempts = self.attempts.note(delivery.message.stream_seq, failure_kind(result))
        disposition = decide_disposition(
            result, attempts, max_deliveries=self._max_deliveries, rand=self._rand()
        )
        if isinstance(disposition, DeadLetter):
            disposition = await self._put_aside(delivery, disposition, attempts)
        self._log_failure(delivery, result, disposition)
        try:
            await self._answer(delivery, disposition)
        except NatsError as error:
            _log.warning("answer not sent", consumer=self._consumer, error=repr(error))
        return _label(result, disposition)

    async def give_back(self, delivery: Delivery, delay_s: float) -> None:
        """Hand a message out again, to whoever has room; 0 is at once."""
        try:
            await delivery.raw.nak(delay_s or None)
        except NatsError as error:
            _log.info("message not given back", consumer=self._consumer, error=repr(error))

    async def _answer(self, delivery: Delivery, disposition: Ack | Nak | DeadLetter) -> None:
        match disposition:
            case Ack():
                self.attempts.forget(delivery.message.stream_seq)
                await delivery.raw.ack()
            case Nak(delay_s):
                # A delay of nothing would be a bare nak, which comes back at once, in a loop.
                await delivery.raw.nak(max(delay_s, 0.001))
            case DeadLetter():
                self.attempts.forget(delivery.message.stream_seq)
                await delivery.raw.term()

    async def _put_aside(
        self, delivery: Delivery, dead: DeadLetter, attempts: int
    ) -> DeadLetter | Nak:
        """Written first, finished after: a crash in between repeats the row, never loses it."""
        try:
            await self._dead_letters.put(self._consumer, delivery.message, dead.reason, attempts)
        except Exception as error:
            _log.warning("dead letter not written", consumer=self._consumer, error=repr(error))
            later = decide_disposition(
                Unavailable(), attempts, max_deliveries=self._max_deliveries, rand=self._rand()
            )
            assert isinstance(later, Nak)
            return later
        return dead

    def _log_failure(
        self,
        delivery: Delivery,
        result: Outcome | Deferred | Exception,
        disposition: Ack | Nak | DeadLetter,
    ) -> None:
        if not isinstance(result, Exception) or isinstance(disposition, Ack):
            return
        unexpected = failure_kind(result) is FailureKind.UNEXPECTED
        fields = {
            "consumer": self._consumer,
            "subject": delivery.message.subject,
            "stream_seq": delivery.message.stream_seq,
            "event_id": delivery.message.headers.get("ce-id"),
        }
        if isinstance(disposition, DeadLetter):
            _log.error("message put aside", reason=disposition.reason, **fields)
        elif isinstance(disposition, Nak):
            _log.warning(
                "message will be tried again",
                error=repr(result),
                delay_s=round(disposition.delay_s, 3),
                exc_info=result if unexpected else None,
                **fields,
            )


def _label(result: Outcome | Deferred | Exception, disposition: Ack | Nak | DeadLetter) -> str:
    if isinstance(disposition, DeadLetter):
        return "dead_letter"
    if isinstance(result, Outcome):
        return result.value
    if isinstance(result, Deferred):
        return "deferred"
    return "retry" if isinstance(disposition, Nak) else Outcome.GONE.value
