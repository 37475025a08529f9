"""`tagstream record`: what happened, in a file that can be replayed.

Owns arguments and the file; what goes into it is recorder.py's.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from tagstream.cli.location import data_dir_option, postgres_url
from tagstream.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from tagstream.cli.recorder import Recorder
    from tagstream.replay.survey import Survey
    from tagstream.store.database import Connection


@click.command(short_help="Write what happened into a file that can be replayed.")
@data_dir_option
@click.option(
    "--since",
    metavar="POSITION|TIME",
    help="Begin here: a journal position (resourceVersion), a time, or an age like 2h. "
    "Default: as early as the journal goes back.",
)
@click.option(
    "--output",
    "-o",
    "target",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.",
)
def record(data_dir: Path, since: str | None, target: Path) -> None:
    """Write what happened into FILE: commands with actor and time, what registries answered, and
    the changes, events and rows that followed.

    Contents of Secrets, and of all other objects that Tagstream only keeps, are not recorded.
    `tagstream replay FILE --verify` proves that the same inputs still give the same results.
    """
    now = datetime.now(UTC)
    wanted = _parse_since(since, now)
    url = postgres_url(data_dir, os.environ)
    if not target.absolute().parent.is_dir():
        raise InvalidInput("--output", f"the directory {target.absolute().parent} does not exist")
    survey, first = asyncio.run(_record(url, wanted, target, now))
    size_kib, count = target.stat().st_size / 1024, len(survey.streams)
    click.echo(
        f"recorded {survey.entries:,} commands on {count:,} image stream{'s' * (count != 1)}, "
        f"positions {first} to {survey.last}, in {target} ({size_kib:,.0f} KiB)"
    )


def _parse_since(text: str | None, now: datetime) -> int | datetime | None:
    from tagstream.cli.moment import parse_moment

    if text is None:
        return None
    if text.isascii() and text.isdigit() and int(text) < 2**63:
        return int(text)
    try:
        return parse_moment(text, now, "--since")
    except InvalidInput as error:
        raise click.UsageError(str(error), click.get_current_context()) from error


async def _record(
    url: str, since: int | datetime | None, target: Path, now: datetime
) -> tuple[Survey, int]:
    from tagstream.cli.recorder import Recorder
    from tagstream.store.database import Database

    database = await Database.connect(url, name="cli", size=1)
    try:
        async with database.snapshot() as connection:
            recorder = Recorder(connection, await _first(connection, since))
            survey = await recorder.survey()
            if not survey.entries:
                raise NotFound("nothing to record: no command was committed since then")
            await _write(recorder, survey, target, now)
            return survey, recorder.first
    finally:
        await database.close()


async def _first(connection: Connection, since: int | datetime | None) -> int:
    """Where the recording begins. Raises InvalidInput when the journal does not go back so far."""
    from tagstream.store.recording import (
        find_position,
        load_first_position,
        load_oldest_recordable,
    )

    oldest = await load_oldest_recordable(connection)
    if since is None:
        return oldest
    position = await find_position(connection, since)
    if position is None:
        raise NotFound("nothing to record: no command was committed since then")
    if position < oldest:
        raise InvalidInput(
            "--since",
            f"the journal holds whole commands from position {oldest} on, and this is position "
            f"{position}; leave --since out to record all there is",
        )
    return max(await load_first_position(connection, position), oldest)


async def _write(recorder: Recorder, survey: Survey, target: Path, now: datetime) -> None:
    """Beside the target first, so that a file of that name is always a whole recording. It names
    users and streams: nobody else may read it."""
    from tagstream.replay.recording import Sealer

    sealer = Sealer()
    with _partial(target) as (file, partial):
        file.write(sealer.seal(recorder.header(survey, now).to_json()))
        async for line in recorder.lines(survey):
            file.write(sealer.seal(line))
        file.write(sealer.end())
        file.flush()
        partial.replace(target)


@contextmanager
def _partial(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file next to the target, gone at the end unless it was renamed."""
    try:
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it is closed below
            dir=target.absolute().parent, prefix=f".{target.name}.", delete=False
        )
    except OSError as error:
        raise InvalidInput("--output", f"cannot write {target}: {error.strerror}") from error
    partial = Path(file.name)
    try:
        with file:
            yield file, partial
    finally:
        partial.unlink(missing_ok=True)
