"""`tagstream history`: who moved a tag, when, why, from what to what.

Owns arguments and what is read; the words are history_text.py's.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from tagstream.cli.location import data_dir_option, postgres_url
from tagstream.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from tagstream.store.database import Connection
    from tagstream.store.tag_history import Meaning, TagTimeline

_REFERENCE = re.compile(r"([^/:@\s]+)/([^/:@\s]+):([^/:@\s]+)")
_Place = tuple[str, str, str]


@click.command(short_help="Who moved a tag, when, why, from what to what.")
@data_dir_option
@click.argument("reference", metavar="NAMESPACE/STREAM:TAG")
@click.option("--at", metavar="TIME", help="What it meant at 2026-11-23T06:14:48Z, or 2h ago: 2h.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    metavar="N",
    help="The N newest moves.",
)
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text")
def history(data_dir: Path, reference: str, at: str | None, limit: int, output: str) -> None:
    """Show who moved a tag, when, why, from what to what; newest first.

    The history outlives the tag and its stream, and what was pruned: who, when and why stay for
    ever. With --at only what the tag meant at that moment; exit status 1 if it meant nothing.
    """
    now = datetime.now(UTC)
    place = _parse_reference(reference)
    moment = _parse_at(at, now)
    url = postgres_url(data_dir, os.environ)
    if moment is None:
        _show_history(asyncio.run(_load(url, place, limit)), now, output)
    else:
        _show_meaning(place, asyncio.run(_load_meaning(url, place, moment)), moment, now, output)


def _parse_reference(text: str) -> _Place:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise click.UsageError(
            f"{text!r} names no tag; write NAMESPACE/STREAM:TAG, like shop/app:prod",
            click.get_current_context(),
        )
    return match[1], match[2], match[3]


def _parse_at(text: str | None, now: datetime) -> datetime | None:
    from tagstream.cli.moment import parse_moment

    try:
        return parse_moment(text, now) if text is not None else None
    except InvalidInput as error:
        raise click.UsageError(str(error), click.get_current_context()) from error


async def _load(url: str, place: _Place, limit: int) -> TagTimeline:
    from tagstream.store.database import Database
    from tagstream.store.tag_history import load_tag_history

    database = await Database.connect(url, name="cli", size=1)
    try:
        async with database.snapshot() as connection:
            found = await load_tag_history(connection, *place, limit=limit)
            if found is None:
                await _refuse(connection, place)
            return found
    finally:
        await database.close()


async def _load_meaning(url: str, place: _Place, moment: datetime) -> Meaning:
    from tagstream.store.database import Database
    from tagstream.store.tag_history import load_meaning

    database = await Database.connect(url, name="cli", size=1)
    try:
        async with database.snapshot() as connection:
            found = await load_meaning(connection, *place, moment)
            if found is None:
                await _refuse(connection, place)
            return found
    finally:
        await database.close()


async def _refuse(connection: Connection, place: _Place) -> NoReturn:
    from tagstream.cli.history_text import unknown_line
    from tagstream.store.tag_history import list_told_streams, list_told_tags

    namespace, stream, tag = place
    streams = await list_told_streams(connection, namespace)
    tags = await list_told_tags(connection, namespace, stream) if stream in streams else []
    raise NotFound(unknown_line(namespace, stream, tag, streams, tags))


def _show_history(found: TagTimeline, now: datetime, output: str) -> None:
    from tagstream.cli.history_text import history_json, history_lines

    if output == "json":
        click.echo(json.dumps(history_json(found), indent=2))
    else:
        click.echo("\n".join(history_lines(found, now)))


def _show_meaning(
    place: _Place, found: Meaning, moment: datetime, now: datetime, output: str
) -> None:
    from tagstream.cli.history_text import meaning_json, meaning_lines

    if output == "json":
        click.echo(json.dumps(meaning_json(place, found, moment), indent=2))
    else:
        click.echo("\n".join(meaning_lines(place, found, moment, now)))
    if found.since is None or found.since.new is None:
        sys.exit(1)
