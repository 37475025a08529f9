"""`tagstream events`: what happened and what happens, read from the stream of facts.

Owns the arguments; event_reader.py reads.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from tagstream.cli.location import data_dir_option, nats_url
from tagstream.cli.since import parse_since
from tagstream.errors import InvalidInput
from tagstream.events.subjects import events_filter


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
        if event_type:
            _check_type(event_type)
        subject = events_filter(namespace, event_type)
        start = parse_since(since) if since else None
    except InvalidInput as error:
        raise click.UsageError(error.reason, click.get_current_context()) from error
    url = nats_url(data_dir, os.environ)
    from tagstream.cli.event_reader import show_events

    try:
        asyncio.run(show_events(url, subject, start, follow=follow, as_json=output == "json"))
    except KeyboardInterrupt:
        return


def _check_type(event_type: str) -> None:
    """Raises InvalidInput for a type that nobody emits: waiting for it would be in vain."""
    from tagstream.events.facts import FACTS
    from tagstream.events.subjects import noun_and_verb

    known = sorted(".".join(noun_and_verb(name)) for name in FACTS)
    if ".".join(noun_and_verb(event_type)) not in known:
        raise InvalidInput("type", f"no event is called {event_type}; there are {', '.join(known)}")
