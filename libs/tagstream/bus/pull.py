"""One long-lived pull request at a time against a durable consumer.

Owns the wire protocol of a pull: asking, counting what came, and noticing that nothing will come
any more (request over, consumer deleted, connection replaced, server silent). Decides nothing
about messages; a fault is kept for `consume.py`, which repairs it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

_HEARTBEAT = "100"
_REQUEST_OVER = ("404", "408")


class PullSource:
    """Calls `on_message` for each delivery and `on_change` when a new request may be due.

    The server sends a sign of life every `heartbeat_s` while a request waits; two missing ones
    mean that the request is lost. A request waits at the server, so that an idle consumer has a
    message as soon as it is stored.
    """

    def __init__(
        self,
        nc: Client,
        stream: str,
        durable: str,
        *,
        on_message: Callable[[Msg], Awaitable[None]],
        on_change: Callable[[], None],
        clock: Callable[[], float],
        expires_s: float,
        heartbeat_s: float,
    ) -> None:
        self._nc = nc
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._on_message = on_message
        self._on_change = on_change
        self._clock = clock
        self._expires_s = expires_s
        self._heartbeat_s = heartbeat_s
        self._inbox = nc.new_inbox()
        self._subscription: Subscription | None = None
        self._request = 0
        self._connection = 0
        self.outstanding = 0
        self.seen_at = clock()
        self.message_at = clock()
        self.fault: str | None = None

    async def open(self) -> None:
        """Start to listen; asks for nothing yet."""
        self._subscription = await self._nc.subscribe(f"{self._inbox}.*", cb=self._on_raw)

    async def close(self) -> None:
        """Stop asking; messages already on their way still reach `on_message`.

        Not quite all: the client's `drain` may end some 0.1 ms before the server stops. What is
        delivered in between comes again after the consumer's ack wait.
        """
        if self._subscription is None:
            return
        try:
            await self._subscription.drain()  # type: ignore[no-untyped-call]
        except (NatsError, TimeoutError):
            return

    async def request(self, batch: int) -> None:
        """Ask for up to `batch` messages; allowed while none are outstanding."""
        self._request += 1
        self._connection = self._nc.stats["reconnects"]
        self.outstanding = batch
        self.fault = None
        self.seen_at = self._clock()
        body = {
            "batch": batch,
            "expires": int(self._expires_s * 1e9),
            "idle_heartbeat": int(self._heartbeat_s * 1e9),
        }
        reply = f"{self._inbox}.{self._request}"
        try:
            await self._nc.publish(self._subject, json.dumps(body).encode(), reply=reply)
        except NatsError as error:
            self._end(f"the pull request was not sent: {error!r}")

    def check(self) -> None:
        """Notice a request that got lost without an answer."""
        if not self.outstanding or not self._nc.is_connected:
            return
        if self._connection != self._nc.stats["reconnects"]:
            # The server forgets a request when its connection goes: no fault, ask again.
            self._end(None)
        elif self._clock() - self.seen_at > 2.2 * self._heartbeat_s:
            self._end("the server stopped answering the pull request")

    def forget(self, fault: str | None) -> None:
        """Drop the request that is under way, for a reason found elsewhere."""
        self._end(fault)

    async def _on_raw(self, raw: Msg) -> None:
        if raw.headers and "Status" in raw.headers and not raw.reply:
            self._on_status(raw)
            return
        self.seen_at = self.message_at = self._clock()
        if self.outstanding:
            self.outstanding -= 1
        await self._on_message(raw)
        if not self.outstanding:
            self._on_change()

    def _on_status(self, raw: Msg) -> None:
        if raw.subject != f"{self._inbox}.{self._request}":
            return
        headers = raw.headers or {}
        status = headers["Status"].strip()
        if status == _HEARTBEAT:
            self.seen_at = self._clock()
        elif status in _REQUEST_OVER:
            self.seen_at = self._clock()
            self._end(None)
        else:
            self._end(f"{status} {headers.get('Description', 'no responders')}".strip())

    def _end(self, fault: str | None) -> None:
        self.outstanding = 0
        self.fault = fault
        self._on_change()
