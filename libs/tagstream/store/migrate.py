"""Brings a database to the schema of this version: forward only, one transaction a file.

Safe when any number of processes start at once: an advisory lock lets one apply and the others
find nothing left to do. An applied file must never change; its checksum is recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from dataclasses import dataclass
from importlib import resources

import asyncpg

from tagstream.errors import InvalidInput, Unavailable
from tagstream.store.database import Connection, postgres_errors

# Any number that is ours alone among the advisory locks of this database.
_LOCK = 7_241_103_551
_OLDEST_POSTGRES = 140_000


@dataclass(frozen=True, slots=True)
class Migration:
    """One `NNNN_name.sql` file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """All migrations of this version, in order."""
    folder = resources.files("tagstream.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [Migration(int(f.name[:4]), f.name, f.read_text()) for f in files]


async def migrate(url: str) -> list[str]:
    """Applies what is missing; returns the names of the files it applied.

    Raises Unavailable when Postgres does not answer, InvalidInput when it is too old, or when a
    file was altered after it was applied. Files that this version does not know are left alone: an
    old replica may start again while a newer version is rolled out.
    """
    async with postgres_errors():
        connection = await asyncpg.connect(url, timeout=10, command_timeout=120)
    try:
        if connection.get_server_version().major * 10_000 < _OLDEST_POSTGRES:
            raise InvalidInput(
                "TAGSTREAM_POSTGRES_URL",
                f"Postgres {connection.get_server_version().major} is too old; use 14 or newer",
            )
        async with postgres_errors():
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            return await _apply_missing(connection)
    finally:
        await connection.close(timeout=5)


async def _apply_missing(connection: Connection) -> list[str]:
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now())
        """
    )
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations")
    applied = {row["number"]: row for row in rows}
    known = load_migrations()
    _refuse_strangers(known, {n: (r["name"], r["checksum"]) for n, r in applied.items()})
    done: list[str] = []
    for migration in known:
        if migration.number in applied:
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
        done.append(migration.name)
    return done


def _refuse_strangers(known: list[Migration], applied: dict[int, tuple[str, str]]) -> None:
    by_number = {m.number: m for m in known}
    for number, (name, checksum) in sorted(applied.items()):
        ours = by_number.get(number)
        if ours is not None and ours.checksum != checksum:
            raise InvalidInput(
                "schema_migrations",
                f"{name} was applied in another form than this version has; restore that file",
            )


def main() -> None:
    """`tagstream-migrate`: migrates the database named by TAGSTREAM_POSTGRES_URL."""
    url = os.environ.get("TAGSTREAM_POSTGRES_URL", "")
    if not url:
        sys.exit("TAGSTREAM_POSTGRES_URL is not set: name the database to migrate")
    try:
        applied = asyncio.run(migrate(url))
    except (InvalidInput, Unavailable) as error:
        sys.exit(f"cannot migrate: {error}")
    print(f"applied {', '.join(applied)}" if applied else "the schema is up to date")


if __name__ == "__main__":
    main()
