"""Somebody else's service: a durable consumer of all events that keeps what it was told.

Owns the connection and the record. What it should have been told is the test's affair.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import nats
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tagstream.events.subjects import EVENTS_STREAM

_DURABLE = "somebody-else"
_ACK_WAIT_S = 10.0
_BATCH = 200
_HANGS_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One event: its type and hashes of its headers and of its data."""

    type: str
    headers: bytes
    data: bytes


def hash_data(data: object) -> bytes:
    """The same for equal JSON, however it was written."""
    return hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).digest()


@dataclass(slots=True)
class Subscriber:
    """Events by their `ce-id`; `changed` are those that were told again in other words."""

    url: str
    events: dict[str, Heard] = field(default_factory=dict)
    deliveries: int = 0
    changed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """For ever; outlives absences of the server."""
        while True:
            try:
                async with self._connected() as client:
                    await self._read(client)
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(0.2)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        # A fetch that waits while the client reconnects by itself may never come back.
        client = await nats.connect(
            self.url, allow_reconnect=False, connect_timeout=2, error_cb=_ignore
        )
        try:
            yield client
        finally:
            with suppress(NatsError, OSError, TimeoutError):
                async with asyncio.timeout(_HANGS_AFTER_S):
                    await client.close()

    async def _read(self, client: Client) -> None:
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=_ACK_WAIT_S,
            deliver_policy=DeliverPolicy.ALL,
        )
        reader = await client.jetstream().pull_subscribe(
            "", durable=_DURABLE, stream=EVENTS_STREAM, config=config
        )
        while client.is_connected:
            async with asyncio.timeout(_HANGS_AFTER_S):
                try:
                    batch = await reader.fetch(_BATCH, timeout=1)
                except NatsTimeout:
                    continue
                for message in batch:
                    self._keep(message)
                    await message.ack()

    def _keep(self, message: Msg) -> None:
        headers = {name.lower(): value for name, value in (message.headers or {}).items()}
        said = sorted((name, value) for name, value in headers.items() if name.startswith("ce-"))
        heard = Heard(
            headers["ce-type"],
            hashlib.sha256(repr(said).encode()).digest(),
            hash_data(orjson.loads(message.data)),
        )
        self.deliveries += 1
        if self.events.setdefault(headers["ce-id"], heard) != heard:
            self.changed.append(headers["ce-id"])


async def _ignore(_: Exception) -> None:
    """The exception is raised as well."""
