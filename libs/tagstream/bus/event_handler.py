"""From a delivered message to a handler of events: envelope, trace and counting.

Owns what every durable consumer of facts and jobs shares; which events mean what is the service's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tagstream.bus.consume import Handled, Handler
from tagstream.bus.message import Message
from tagstream.bus.outcomes import Deferred, Outcome
from tagstream.events.envelope import CloudEvent, from_message
from tagstream.telemetry import metrics, names
from tagstream.telemetry.tracing import span

EventHandler = Callable[[CloudEvent], Awaitable[Outcome | Deferred]]


def build_handler(consumer: str, on_event: EventHandler) -> Handler:
    """A consumer's handler that reads the CloudEvent and continues its trace.

    What is no CloudEvent raises InvalidInput, and so becomes a dead letter.
    """

    async def handle(message: Message) -> Outcome | Deferred:
        event = from_message(message.headers, message.data)
        with span(names.MESSAGE_SPAN, event.traceparent, consumer=consumer, event_id=event.id):
            return await on_event(event)

    return handle


def count_handled(handled: Handled) -> None:
    """Counts a finished delivery; give it to `Consumer` as `on_handled`."""
    metrics.add(names.MESSAGES_HANDLED, consumer=handled.consumer, outcome=handled.label)
    metrics.observe(names.MESSAGE_DURATION, handled.duration_s, consumer=handled.consumer)
