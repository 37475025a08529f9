"""`tagstream events`: what happened and what happens, read from the stream of facts.

Owns the command. It is an outside subscriber like any other: an ordered consumer that keeps nothing
on the server.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagstream.cli.location import data_dir_option, nats_url
from tagstream.cli.since import parse_since
from tagstream.errors import InvalidInput, TagstreamError, Unavailable
from tagstream.events.subjects import events_filter

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerConfig

_STREAM = "TAGSTREAM_EVENTS"


@click.command(short_help="Show what happens: tags that move, imports, triggers.")
@data_dir_option
@click.option("--follow", "-f", is_flag=True, help="Keep running and show new events.")
@click.option("--type", "event_type", metavar="T", help="Only this type, such as tag.changed.")
@click.option("--namespace", "-n", metavar="NS", help="Only this namespace.")
@click.option(
    "--since",
    metavar="AGE|SEQ",
    help="Begin 90s, 10m, 2h or 7d ago, or at a sequence number of the stream.",
)
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def events(
    data_dir: Path,
    follow: bool,
    event_type: str | None,
    namespace: str | None,
    since: str | None,
    output: str,
) -> None:
    """Show the events of a stack, oldest first.

    Without --follow it shows what is stored and ends; with --follow and no --since only what is
    new. Text is one line an event; JSON is one CloudEvent a line.
    """
    try:
        subject = events_filter(namespace, event_type)
        start = parse_since(since) if since else None
    except InvalidInput as error:
        raise click.UsageError(error.reason, click.get_current_context()) from error
    url = nats_url(data_dir, os.environ)
    try:
        asyncio.run(_show(url, subject, start, follow=follow, as_json=output == "json"))
    except KeyboardInterrupt:
        return


async def _show(
    url: str, subject: str, start: timedelta | int | None, *, follow: bool, as_json: bool
) -> None:
    from nats.js.errors import NotFoundError

    from tagstream.cli.nats_connection import nats_connection

    async with nats_connection(url) as client:
        js = client.jetstream()
        try:
            await _read(js, subject, _where(start, follow), follow=follow, as_json=as_json)
        except NotFoundError as error:
            raise Unavailable(
                f"the stream {_STREAM} does not exist yet; start the stack with `tagstream up`"
            ) from error


async def _read(
    js: JetStreamContext, subject: str, where: ConsumerConfig, *, follow: bool, as_json: bool
) -> None:
    subscription = await js.subscribe(subject, stream=_STREAM, ordered_consumer=True, config=where)
    if not follow and await _has_nothing(subscription):
        return
    async for message in subscription.messages:
        _print(message, as_json=as_json)
        if not follow and message.metadata.num_pending == 0:
            return


async def _has_nothing(subscription: JetStreamContext.PushSubscription) -> bool:
    waiting = (await subscription.consumer_info()).num_pending
    # What the server has already sent no longer counts as pending there; it has arrived here.
    return not waiting and not subscription.pending_msgs


def _print(message: Msg, *, as_json: bool) -> None:
    from tagstream.cli.event_text import event_json, event_line
    from tagstream.events.envelope import from_message

    try:
        event = from_message(message.headers, message.data)
        text = event_json(event) if as_json else event_line(event)
    except TagstreamError as error:
        click.echo(f"tagstream: skipped message {message.subject}: {error}", err=True)
        return
    click.echo(text)


def _where(start: timedelta | int | None, follow: bool) -> ConsumerConfig:
    from nats.js.api import ConsumerConfig, DeliverPolicy

    if isinstance(start, timedelta):
        at = datetime.now(UTC) - start
        return ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=at)
    if start is not None:
        return ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start)
    return ConsumerConfig(deliver_policy=DeliverPolicy.NEW if follow else DeliverPolicy.ALL)
