"""Dead letters that were put back, handled by the consumer that gave them up.

A fact cannot be published a second time: outsiders would hear it twice. So it comes back as a job
for this durable alone, with the fact's own type and data.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nats.aio.client import Client

from tagstream.bus.consume import Consumer, Handled, Handler
from tagstream.bus.consume_settings import ConsumeSettings
from tagstream.bus.delivery import DeadLetters
from tagstream.bus.message import Message
from tagstream.bus.topology import JOBS_STREAM, ConsumerSpec


class _UnderOneName:
    """Keeps what fails again under the durable's own name."""

    def __init__(self, durable: str, dead_letters: DeadLetters) -> None:
        self._durable, self._dead_letters = durable, dead_letters

    async def put(self, consumer: str, message: Message, error: str, attempts: int) -> None:
        await self._dead_letters.put(self._durable, message, error, attempts)


def build_redrive(
    nc: Client,
    durable: str,
    subject: str,
    handler: Handler,
    *,
    dead_letters: DeadLetters,
    ensure: Callable[[], Awaitable[None]],
    on_handled: Callable[[Handled], None] | None = None,
    settings: ConsumeSettings | None = None,
) -> Consumer:
    """The consumer of what was put back for `durable`, which is published at `subject`."""
    return Consumer(
        nc,
        ConsumerSpec(JOBS_STREAM, f"{durable}-redrive", (subject,)),
        handler,
        concurrency=1,
        dead_letters=_UnderOneName(durable, dead_letters),
        ensure=ensure,
        on_handled=on_handled,
        settings=settings,
    )
