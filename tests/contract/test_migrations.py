"""Migrations on a real Postgres."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import asyncpg
import pytest

from tagstream.errors import InvalidInput, Unavailable
from tagstream.store import migrate as module
from tagstream.store.migrate import Migration, load_migrations, migrate

PROCESSES = 6


def start(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tagstream.store.migrate"],
        env=os.environ | {"TAGSTREAM_POSTGRES_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def applied(url: str) -> list[tuple[int, str]]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT number, checksum FROM schema_migrations ORDER BY 1")
        return [(row["number"], row["checksum"]) for row in rows]
    finally:
        await connection.close()


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_many_processes_migrate_one_database_once(empty_database_url: str) -> None:
    running = [start(empty_database_url) for _ in range(PROCESSES)]
    ended = [await asyncio.to_thread(one.communicate, timeout=60) for one in running]
    assert [one.returncode for one in running] == [0] * PROCESSES, ended
    said = sorted(out.split()[0] for out, _ in ended)
    assert said == ["applied"] + ["the"] * (PROCESSES - 1)
    expected = [(one.number, one.checksum) for one in load_migrations()]
    assert await applied(empty_database_url) == expected


async def test_a_second_run_finds_nothing_to_do(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == [one.name for one in load_migrations()]
    assert await migrate(empty_database_url) == []


async def test_a_file_that_was_altered_after_it_was_applied_is_refused(database_url: str) -> None:
    await execute(database_url, "UPDATE schema_migrations SET checksum = 'other'")
    with pytest.raises(InvalidInput, match=r"0001_initial\.sql was applied in another form"):
        await migrate(database_url)


async def test_a_refusal_ends_the_program_with_one_sentence(database_url: str) -> None:
    await execute(database_url, "UPDATE schema_migrations SET checksum = 'other'")
    process = start(database_url)
    _, error = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 1
    assert error.startswith("cannot migrate: ")
    assert "Traceback" not in error


async def test_a_file_that_fails_leaves_nothing_behind(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = load_migrations()
    bad = Migration(9999, "9999_bad.sql", "CREATE TABLE half (n int); SELECT 1 / 0;")
    monkeypatch.setattr(module, "load_migrations", lambda: [*good, bad])
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url)
    assert [number for number, _ in await applied(empty_database_url)] == [
        one.number for one in good
    ]
    with pytest.raises(asyncpg.DuplicateTableError):
        await execute(empty_database_url, "CREATE TABLE streams (n int)")
    await execute(empty_database_url, "CREATE TABLE half (n int)")


async def test_a_database_that_is_away_is_told(empty_database_url: str) -> None:
    server, _, _ = empty_database_url.rpartition("/")
    with pytest.raises(Unavailable):
        await migrate(f"{server.rpartition(':')[0]}:1/nothing")
