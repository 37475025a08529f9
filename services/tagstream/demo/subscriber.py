"""An outside program that listens: nothing but `nats-py`, the stream's name and CloudEvents.

On purpose it uses no code of Tagstream: what it does is what anybody can do in any language.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import nats
from nats.aio.msg import Msg


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent in binary mode: attributes from the headers, data from the payload."""

    id: str
    type: str
    data: dict[str, object]

    @property
    def kind(self) -> str:
        """`tag.changed` for `dev.tagstream.tag.changed.v1`."""
        return self.type.removeprefix("dev.tagstream.").rpartition(".")[0]

    def text(self, field: str) -> str:
        value = self.data.get(field, "")
        return value if isinstance(value, str) else str(value)


class Subscriber:
    """What has arrived so far, in the stream's order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Event()

    async def on_message(self, message: Msg) -> None:
        headers = message.headers or {}
        data = json.loads(message.data)
        self.events.append(Event(headers.get("ce-id", ""), headers.get("ce-type", ""), data))
        self._arrived.set()

    async def wait_until(self, complete: Callable[[list[Event]], bool], timeout_s: float) -> bool:
        """Whether `complete` says yes to what arrives within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not complete(self.events):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def subscribe(url: str, namespace: str) -> AsyncIterator[Subscriber]:
    """Hear every event about `namespace`, from the first one that the stream still has."""
    subscriber = Subscriber()
    client = await nats.connect(url, connect_timeout=5)
    try:
        await client.jetstream().subscribe(
            f"tagstream.events.{namespace}.>",
            stream="TAGSTREAM_EVENTS",
            ordered_consumer=True,
            cb=subscriber.on_message,
        )
        yield subscriber
    finally:
        await client.close()
