"""Makes the recorded histories again: `PYTHONPATH=tests python tests/replay/make_histories.py`.

Run it by hand, for a new history or a new format; names on the command line choose some of them.
What is committed must keep replaying, so an existing file is made again only with a reason.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from fakes.histories.all import FOLDER, HISTORIES
from fakes.postgres import PostgresServer
from fakes.replaying import play, record
from fakes.service_world import START
from fakes.story import open_story
from tagstream.store.database import Database
from tagstream.store.migrate import migrate


async def _make(server: PostgresServer, name: str) -> None:
    url = await server.create_database(template="migrated")
    database = await Database.connect(url, name="test", size=16)
    try:
        async with open_story(database, name) as story:
            await HISTORIES[name](story)
        lines = await record(database, now=START)
    finally:
        await database.close()
    summary = play(lines)
    (FOLDER / f"{name}.rec").write_bytes(b"".join(lines))
    size_kib = sum(map(len, lines)) / 1024
    print(f"{name}: {size_kib:.0f} KiB, {summary}")


async def _make_all(server: PostgresServer, names: list[str]) -> None:
    await migrate(await server.create_database("migrated"))
    for name in names:
        await _make(server, name)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tagstream-histories-"))
    folder.chmod(0o755)
    server = PostgresServer.start(folder)
    try:
        FOLDER.mkdir(exist_ok=True)
        asyncio.run(_make_all(server, sys.argv[1:] or list(HISTORIES)))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
