"""`tagstream dead-letters`: messages that could not be handled, and putting them back."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from tagstream.cli.location import data_dir_option, postgres_url
from tagstream.errors import NotFound

if TYPE_CHECKING:
    from tagstream.store.database import Database
    from tagstream.store.dead_letters import DeadLetter

T = TypeVar("T")


@click.group("dead-letters", short_help="Messages that could not be handled.")
def dead_letters() -> None:
    """List messages that a service gave up, and put them back once the cause is mended."""


@dead_letters.command("list")
@data_dir_option
@click.option("--all", "everything", is_flag=True, help="Those that were put back, too.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text")
def list_letters(data_dir: Path, everything: bool, output: str) -> None:
    """Newest first, at most a hundred."""
    from tagstream.store.dead_letters import list_dead_letters

    letters = _with_database(
        data_dir, lambda database: list_dead_letters(database, include_requeued=everything)
    )
    if output == "json":
        click.echo(json.dumps([_to_json(letter) for letter in letters], indent=2))
        return
    for letter in letters:
        click.echo(_line(letter))
    if not letters:
        click.echo("no dead letters", err=True)


@dead_letters.command()
@data_dir_option
@click.argument("letter", type=int)
def show(data_dir: Path, letter: int) -> None:
    """One message whole, with its error."""
    from tagstream.store.dead_letters import load_dead_letter

    found = _with_database(data_dir, lambda database: load_dead_letter(database, letter))
    click.echo(json.dumps(_to_json(found), indent=2))


@dead_letters.command()
@data_dir_option
@click.argument("letters", type=int, nargs=-1, required=True)
def retry(data_dir: Path, letters: tuple[int, ...]) -> None:
    """Put messages back for the consumer that gave them up."""
    for letter in letters:
        found = _with_database(data_dir, partial(_retry, number=letter))
        click.echo(f"dead letter {letter} was put back for {found.consumer}")


async def _retry(database: Database, number: int) -> DeadLetter:
    from tagstream.store.dead_letters import load_dead_letter, requeue_dead_letter
    from tagstream.store.journal import Command

    letter = await load_dead_letter(database, number)
    if letter.requeued_at is not None:
        raise NotFound(f"dead letter {number} was put back already, at {letter.requeued_at}")
    command = Command(
        id=str(uuid.uuid4()),
        kind="dead-letter.retry",
        at=datetime.now(UTC),
        actor=getpass.getuser(),
        cause="tagstream dead-letters retry",
        arguments={"letter": number},
    )
    await requeue_dead_letter(database, letter, command)
    return letter


def _with_database(data_dir: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    from tagstream.store.database import Database

    async def run() -> T:
        database = await Database.connect(postgres_url(data_dir, os.environ), name="cli", size=1)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _line(letter: DeadLetter) -> str:
    put_back = "  (put back)" if letter.requeued_at else ""
    return (
        f"{letter.id}  {letter.created_at:%Y-%m-%d %H:%M:%S}  {letter.consumer}  "
        f"{letter.subject}  {letter.attempts} attempts  {letter.error.splitlines()[0]}{put_back}"
    )


def _to_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "consumer": letter.consumer,
        "subject": letter.subject,
        "headers": dict(letter.headers),
        "data": letter.data.decode("utf-8", "replace"),
        "error": letter.error,
        "attempts": letter.attempts,
        "traceId": letter.trace_id,
        "createdAt": letter.created_at.isoformat(),
        "requeuedAt": letter.requeued_at.isoformat() if letter.requeued_at else None,
    }
