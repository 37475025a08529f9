"""A recording made from a database as it is, and played at once."""

from __future__ import annotations

from datetime import UTC, datetime

from tagstream.cli.recorder import Recorder
from tagstream.cli.replay_text import difference_lines
from tagstream.replay.player import Player, Summary
from tagstream.replay.recording import check_seal, read_lines, write_lines
from tagstream.store.database import Database
from tagstream.store.recording import load_first_position, load_oldest_recordable


async def record(
    database: Database, since: int | None = None, *, now: datetime | None = None
) -> list[bytes]:
    """The lines of a recording from a position on, or of everything, made `now`."""
    async with database.snapshot() as connection:
        if since is None:
            first = await load_oldest_recordable(connection)
        else:
            first = await load_first_position(connection, since)
        recorder = Recorder(connection, first)
        survey = await recorder.survey()
        lines = [line async for line in recorder.lines(survey)]
    return list(write_lines(recorder.header(survey, now or datetime.now(UTC)), lines))


def play(lines: list[bytes]) -> Summary:
    """Asserts that a recording replays without a difference."""
    check_seal(lines)
    player = Player()
    difference = player.play(read_lines(lines))
    assert difference is None, "\n".join(difference_lines(difference))
    return player.summary


async def check_replay(database: Database) -> Summary:
    """Records all there is and plays it."""
    return play(await record(database))


async def check_replay_of(url: str) -> Summary:
    """The same for a database by its URL."""
    database = await Database.connect(url, name="test", size=1)
    try:
        return await check_replay(database)
    finally:
        await database.close()
