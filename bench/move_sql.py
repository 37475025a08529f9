"""The yardstick of a move: exactly the statements that one move runs, and nothing around them.

Run as a process of its own: python -m bench.move_sql URL SECONDS CLIENTS STREAMS DIGEST DIGEST.
It makes a database beside the stack's, lets the api's own storage move tags there while asyncpg
records each statement, and runs what was recorded again, with fresh command ids.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import uvloop

from bench.world import move_body
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.storage import WriteOptions
from tagstream.api.images.deps import ImageDeps
from tagstream.api.images.stream_tags import ImageStreamTagStorage
from tagstream.store.database import Connection, Database, prepare_connection, reset_connection
from tagstream.store.images import load_images, store_images
from tagstream.store.journal import Command, transaction
from tagstream.store.migrate import migrate
from tagstream.store.stream_writes import create_stream
from tagstream.streams.image_stream import ImageStream, TagEvent, TagHistory

_DATABASE = "bench_yardstick"
_NAMESPACE = "bench"
_FACT_ID = re.compile(r'\{"id":"[0-9a-f]{32}","type"')


class _Anybody:
    """Allows everything and fetches nothing: the statements are what is wanted."""

    async def allowed(self, *question: object) -> tuple[bool, str]:
        return True, ""

    async def fetch(self, request: object, *, traceparent: str) -> Mapping[str, object]:
        raise NotImplementedError

    async def list_pull_secrets(
        self, ctx: RequestContext, namespace: str
    ) -> tuple[list[dict[str, Any]], int]:
        return [], 0


@dataclass(frozen=True, slots=True)
class _Move:
    """One recorded move: its statements in order, and the id of its command."""

    command: str
    statements: tuple[tuple[str, tuple[Any, ...]], ...]

    async def run(self, connection: Connection) -> None:
        fresh = str(uuid.uuid4())
        for query, args in self.statements:
            if args:
                await connection.fetch(query, *[fresh if a == self.command else a for a in args])
            else:
                await connection.execute(_renewed(query, self.command, fresh))


def _renewed(query: str, old: str, fresh: str) -> str:
    """The append carries its entry as text: a new command, and new ids for its facts."""
    return _FACT_ID.sub(lambda _: f'{{"id":"{uuid.uuid4().hex}","type"', query.replace(old, fresh))


class _Recorder:
    """Makes the streams, moves their tags and keeps the statements of each move."""

    def __init__(self, database: Database, log: list[tuple[str, tuple[Any, ...]]]) -> None:
        nobody: Any = _Anybody()
        self._database = database
        self._storage = ImageStreamTagStorage(ImageDeps(database, nobody, nobody, nobody))
        self._log = log

    async def make_streams(self, count: int, images: Mapping[str, Mapping[str, object]]) -> None:
        async with transaction(self._database, _command("images")) as tx:
            await store_images(tx, images)
        now = datetime.now(UTC).replace(microsecond=0)
        history = {
            tag: TagHistory(tag, (TagEvent(now, f"registry/app@{digest}", digest, 1),), ())
            for tag, digest in zip("ab", images, strict=True)
        }
        for n in range(count):
            stream = ImageStream(
                _NAMESPACE, f"app-{n}", str(uuid.uuid4()), now, status_tags=history
            )
            async with transaction(self._database, _command("stream")) as tx:
                await create_stream(tx, stream, "")

    async def record(self, stream: str, digest: str) -> _Move:
        ctx = RequestContext(User("bench"), datetime.now(UTC), str(uuid.uuid4()), "bench/1")
        body = move_body(_NAMESPACE, stream, "prod", digest)
        self._log.clear()
        await self._storage.update(
            ctx, _NAMESPACE, f"{stream}:prod", lambda current: body, WriteOptions()
        )
        return _Move(ctx.id, tuple(self._log))


def _command(kind: str) -> Command:
    return Command(str(uuid.uuid4()), kind, datetime.now(UTC), "bench")


async def _load_bodies(url: str, digests: Sequence[str]) -> dict[str, Mapping[str, object]]:
    connection = await asyncpg.connect(url)
    try:
        await prepare_connection(connection)
        found = await load_images(connection, digests)
        return {digest: found[digest].body for digest in digests}
    finally:
        await connection.close()


async def _make_database(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        await connection.close()
    beside = urlunsplit(urlsplit(url)._replace(path=f"/{_DATABASE}"))
    await migrate(beside)
    return beside


async def _record(
    url: str, streams: int, images: Mapping[str, Mapping[str, object]]
) -> list[list[_Move]]:
    """For each stream the moves to its first and to its second image."""
    log: list[tuple[str, tuple[Any, ...]]] = []

    async def prepare(connection: Connection) -> None:
        await prepare_connection(connection)
        connection.add_query_logger(lambda query: log.append((query.query, query.args)))

    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=1, init=prepare, reset=reset_connection
    )
    recorder = _Recorder(Database(pool, url), log)
    await recorder.make_streams(streams, images)
    digests = list(images)
    for n in range(streams):
        await recorder.record(f"app-{n}", digests[1])
    moves = [[await recorder.record(f"app-{n}", d) for d in digests] for n in range(streams)]
    await pool.close()
    return moves


async def _measure(url: str, seconds: float, clients: int, moves: list[list[_Move]]) -> float:
    """Transactions a second, each connection on its own streams, after a short warm-up."""
    connections = [await asyncpg.connect(url) for _ in range(clients)]
    for connection in connections:
        await prepare_connection(connection)
    share = len(moves) // clients
    owned = [moves[n * share : (n + 1) * share] for n in range(clients)]
    rate = 0.0
    for length_s in (seconds / 4, seconds):
        began = time.perf_counter()
        pairs = zip(connections, owned, strict=True)
        work = (_move_until(connection, own, began + length_s) for connection, own in pairs)
        done = await asyncio.gather(*work)
        rate = sum(done) / (time.perf_counter() - began)
    return rate


async def _move_until(connection: Connection, own: list[list[_Move]], until: float) -> int:
    done = 0
    while time.perf_counter() < until:
        to_and_fro = own[done % len(own)]
        await to_and_fro[done // len(own) % 2].run(connection)
        done += 1
    return done


async def _main(url: str, seconds: float, clients: int, streams: int, digests: list[str]) -> None:
    images = await _load_bodies(url, digests)
    beside = await _make_database(url)
    moves = await _record(beside, streams, images)
    per_s = await _measure(beside, seconds, clients, moves)
    print(
        json.dumps({"per_s": per_s, "statements": [query for query, _ in moves[0][0].statements]})
    )


if __name__ == "__main__":
    uvloop.run(
        _main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:7])
    )
