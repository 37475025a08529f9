"""Reading the stream of facts from a position on, message by message, and waiting for more.

Owns where reading begins and ends. There is no consumer: nothing stays on the server, and a server
that was away is simply asked again. (The client's ordered consumer stays silent for ever after the
server was restarted.) The wording of an event is event_text.py's.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import click
import nats
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg, StreamState
from nats.js.errors import NotFoundError

from tagstream.cli.event_text import event_json, event_line
from tagstream.cli.nats_connection import nats_connection
from tagstream.errors import TagstreamError, Unavailable
from tagstream.events.envelope import from_message

_STREAM = "TAGSTREAM_EVENTS"
_POLL_S = 0.1
_AWAY_S = 0.5


async def show_events(
    url: str, subject: str, start: timedelta | int | None, *, follow: bool, as_json: bool
) -> None:
    """Print the events under `subject`, oldest first; without `follow`, those stored now.

    `start` is an age, a sequence number, or `None`: everything, with `follow` only what is new.
    Raises `Unavailable` if there is no server or no stream.
    """
    async with nats_connection(url) as client:
        js = client.jetstream()
        try:
            state = (await js.stream_info(_STREAM)).state
        except (NotFoundError, nats.errors.NoRespondersError) as error:
            raise Unavailable(
                f"the stream {_STREAM} does not exist yet; start the stack with `tagstream up`"
            ) from error
        sequence = await _first_sequence(js, state, start, follow)
        while follow or sequence <= state.last_seq:
            message = await _next(js, sequence, subject)
            if message is None or message.seq is None:
                if not follow:
                    return
                await asyncio.sleep(_POLL_S)
                continue
            sequence = message.seq + 1
            if follow or message.seq <= state.last_seq:
                _print(message, as_json=as_json)


async def _first_sequence(
    js: JetStreamContext, state: StreamState, start: timedelta | int | None, follow: bool
) -> int:
    if isinstance(start, int):
        return start
    if isinstance(start, timedelta):
        return await _sequence_at(js, state, datetime.now(UTC) - start)
    return state.last_seq + 1 if follow else max(state.first_seq, 1)


async def _sequence_at(js: JetStreamContext, state: StreamState, since: datetime) -> int:
    """The sequence number of the first message stored at `since` or later; by halving."""
    low, high = max(state.first_seq, 1), state.last_seq + 1
    while low < high:
        middle = (low + high) // 2
        message = await _next(js, middle, ">")
        if message is None or message.time is None or message.time >= since:
            high = middle
        else:
            low = (message.seq or middle) + 1
    return low


async def _next(js: JetStreamContext, sequence: int, subject: str) -> RawStreamMsg | None:
    """The first message from `sequence` on; `None` if there is none yet."""
    while True:
        try:
            return await js.get_msg(_STREAM, sequence, subject, direct=True, next=True)
        except NotFoundError:
            return None
        except (nats.errors.Error, TimeoutError):
            # The connection mends itself; an API that is not there yet after a restart, too.
            await asyncio.sleep(_AWAY_S)


def _print(message: RawStreamMsg, *, as_json: bool) -> None:
    try:
        event = from_message(message.headers, message.data or b"")
        text = event_json(event) if as_json else event_line(event)
    except TagstreamError as error:
        click.echo(f"tagstream: skipped message {message.seq}: {error}", err=True)
        return
    click.echo(text)
