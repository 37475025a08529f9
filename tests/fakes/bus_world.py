"""What bus tests need around a real server: unique streams, memory outbox, waiting."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from fakes.nats_server import NatsServer
from tagstream.bus.connection import connect
from tagstream.bus.consume import Consumer
from tagstream.bus.message import Message
from tagstream.bus.outbox import OutboxMessage
from tagstream.bus.topology import (
    ConsumerSpec,
    ensure_stream,
    events_stream_config,
    jobs_stream_config,
)

SMALL_BYTES = 64 * 2**20


class MemoryDeadLetters:
    """A dead-letter table in memory; `failures_left` puts fail first."""

    def __init__(self, failures_left: int = 0) -> None:
        self.rows: list[tuple[str, Message, str, int]] = []
        self.failures_left = failures_left

    async def put(self, consumer: str, message: Message, error: str, attempts: int) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise ConnectionError("the database is away")
        self.rows.append((consumer, message, error, attempts))


@dataclass
class MemoryOutbox:
    """Committed messages; `before_read` may block or fail."""

    subject: str
    messages: list[OutboxMessage] = field(default_factory=list)
    after_read: Callable[[], Awaitable[None]] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def commit(self, count: int, *, each: int = 1) -> None:
        """`count` more positions with `each` messages."""
        last = self.messages[-1].position if self.messages else 0
        for position in range(last + 1, last + count + 1):
            for number in range(each):
                name = f"{position}.{number}"
                self.messages.append(
                    OutboxMessage(position, number, self.subject, name, {}, name.encode())
                )
        self.news.set()

    async def read(self, after: int, limit: int) -> list[OutboxMessage]:
        found: list[OutboxMessage] = []
        for message in self.messages[self._index(after) :]:
            if len(found) >= limit and message.position != found[-1].position:
                break
            found.append(message)
        if self.after_read is not None:
            await self.after_read()
        return found

    def _index(self, after: int) -> int:
        low, high = 0, len(self.messages)
        while low < high:
            middle = (low + high) // 2
            if self.messages[middle].position > after:
                high = middle
            else:
                low = middle + 1
        return low

    async def wait(self, timeout_s: float) -> None:
        self.news.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self.news.wait()
        except TimeoutError:
            return

    @property
    def names(self) -> list[str]:
        return [message.message_id for message in self.messages]


class MemoryCursor:
    """A cursor; `save` says no once `deposed`."""

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self.deposed = False

    async def load(self) -> int:
        return self.position

    async def save(self, position: int) -> bool:
        if not self.deposed:
            self.position = position
        return not self.deposed


async def still_leader() -> bool:
    return True


@dataclass
class BusWorld:
    """A connection and names that no other test has."""

    server: NatsServer
    nc: Client
    js: JetStreamContext
    token: str
    dead_letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)

    @property
    def stream(self) -> str:
        return f"S_{self.token}"

    @property
    def subject(self) -> str:
        return f"t.{self.token}.x"

    async def ensure_events(self) -> None:
        config = events_stream_config(
            name=self.stream, subjects=f"t.{self.token}.>", max_bytes=SMALL_BYTES
        )
        # Tests delete streams and messages.
        await ensure_stream(self.js, config.evolve(deny_delete=False, deny_purge=False))

    async def ensure_jobs(self) -> None:
        config = jobs_stream_config(
            name=self.stream, subjects=f"t.{self.token}.>", max_bytes=SMALL_BYTES
        )
        await ensure_stream(self.js, config)

    def spec(self, **changes: object) -> ConsumerSpec:
        settings: dict[str, object] = {
            "stream": self.stream,
            "durable": f"c-{self.token}",
            "filter_subjects": (f"t.{self.token}.>",),
        }
        return ConsumerSpec(**{**settings, **changes})  # type: ignore[arg-type]

    async def publish(self, *bodies: str, subject: str | None = None) -> None:
        for body in bodies:
            await self.js.publish(subject or self.subject, body.encode())

    async def stored(self) -> list[str]:
        """The bodies in the stream, oldest first."""
        state = (await self.js.stream_info(self.stream)).state
        bodies: list[str] = []
        if not state.messages:
            return bodies
        for seq in range(state.first_seq, state.last_seq + 1):
            message = await self.js.get_msg(self.stream, seq)
            bodies.append((message.data or b"").decode())
        return bodies

    async def unfinished(self) -> int:
        """Messages that the consumer still owes an answer for; -1 before there is a consumer."""
        try:
            info = await self.js.consumer_info(self.stream, f"c-{self.token}")
        except NotFoundError:
            return -1
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    async def is_done(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return await self.unfinished() == 0


@asynccontextmanager
async def bus_world(server: NatsServer) -> AsyncIterator[BusWorld]:
    nc = await connect(server.url, name="test", on_closed=lambda: None, timeout_s=5)
    try:
        yield BusWorld(server, nc, nc.jetstream(timeout=2), uuid.uuid4().hex[:12])
    finally:
        await nc.close()


@asynccontextmanager
async def running(
    *runners: Callable[[asyncio.Event], Awaitable[None]],
) -> AsyncIterator[asyncio.Event]:
    """Run consumers or relays until the block ends; what they raise, the test raises."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(run(stop)) for run in runners]
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)


async def until(
    condition: Callable[[], bool | Awaitable[bool]], *, timeout_s: float = 20.0
) -> None:
    """Wait for something that has to become true, however busy the machine is."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        found = condition()
        if not isinstance(found, bool):
            found = await found
        if found:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still not true after {timeout_s} s: {condition}")
        await asyncio.sleep(0.01)


async def ready(consumer: Consumer) -> None:
    await until(lambda: consumer.healthy() is None)
