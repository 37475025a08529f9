"""The journal: every change with its cause and its facts, in one order that is commit order.

A writing transaction locks its objects, writes them, records what it did, and as its very last
statement appends to the journal: the head row's lock is taken, the position advanced, everything
written and stamped, and the commit follows at once. Positions are therefore gapless, equal commit
order, and are the `resourceVersion` that a write answers (docs/adr/0002-journal.md).

Owns `Command`, `Change`, `Transaction` and the append; each table of objects has its own module.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import orjson

from tagstream.events.envelope import fact_id
from tagstream.events.facts import Fact
from tagstream.events.jobs import Job
from tagstream.events.message import Message
from tagstream.events.stamping import FIRST_FACT, FIRST_JOB, FIRST_REQUEUED, stamp
from tagstream.store.database import Connection, Database, Row, flush, flush_and_read
from tagstream.telemetry import metrics
from tagstream.telemetry.names import JOURNAL_APPEND_DURATION

Json = Mapping[str, object]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Command:
    """One transaction's cause: enough to apply it again (architecture, promise 5).

    `at` is the only clock a decision sees. `arguments` never holds a secret. `cause` is one
    readable sentence part for histories and audits ("oc tag", "scheduled import").
    """

    id: str
    kind: str
    at: datetime
    actor: str
    cause: str = ""
    arguments: Json = field(default_factory=dict)
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One object's change, as a watch will show it. Either `body` (whole) or `delta`.

    `previous` is the object's version before, 0 when it is new.
    """

    group: str
    resource: str
    namespace: str
    name: str
    uid: str
    type: ChangeType
    previous: int
    body: Json | None = None
    delta: Json | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """A message as it was published: its type and data, and the subject it shall have now."""

    type: str
    subject: str
    data: Json


class Transaction:
    """An open writing transaction. Objects are written through `connection`; what happened is
    recorded here and appended when the block ends. A block that records nothing appends nothing.

    After the block, `position` is the last position (0 if nothing was recorded) and
    `version_of(change)` that of one change.
    """

    def __init__(self, connection: Connection, command: Command) -> None:
        self.connection = connection
        self.command = command
        self.position = 0
        self._changes: list[Change] = []
        self._facts: list[Fact] = []
        self._jobs: list[Job] = []
        self._requeued: list[Requeued] = []
        self._is_kept = False

    def record(self, change: Change) -> None:
        self._changes.append(change)

    def emit(self, fact: Fact) -> None:
        """Adds a fact. Who, why and when are the command's and are filled in."""
        self._facts.append(fact)

    def order(self, job: Job) -> None:
        """Adds a job for a work queue."""
        self._jobs.append(job)

    def requeue(self, again: Requeued) -> None:
        """Adds a message that was published once before, as a job."""
        self._requeued.append(again)

    def keep(self) -> None:
        """Journals the command even if it has nothing to tell: rows changed that only it
        explains."""
        self._is_kept = True

    def say(self, what: Json) -> None:
        """Completes the command's arguments with what was decided under the locks."""
        self.command = replace(self.command, arguments={**self.command.arguments, **what})

    def version_of(self, change: Change) -> int:
        """The position of a recorded change; call it after the block."""
        return self.position - len(self._changes) + 1 + self._changes.index(change)

    @property
    def is_empty(self) -> bool:
        told = self._changes or self._facts or self._jobs or self._requeued
        return not (told or self._is_kept)

    def entry(self) -> dict[str, object]:
        """What `append_journal` takes (migrations/0001_initial.sql)."""
        command = self.command
        return {
            "command": {
                "id": command.id,
                "kind": command.kind,
                "at": command.at.isoformat(),
                "actor": command.actor,
                "cause": command.cause,
                "arguments": command.arguments,
                "traceparent": command.traceparent,
            },
            "stamps": "all"
            if any(c.resource != "imagestreams" for c in self._changes)
            else "streams",
            "changes": [
                {
                    "group": c.group,
                    "resource": c.resource,
                    "namespace": c.namespace,
                    "name": c.name,
                    "uid": c.uid,
                    "type": c.type,
                    "previous": c.previous,
                    "body": c.body,
                    "delta": c.delta,
                }
                for c in self._changes
            ],
            "facts": self._messages(self._facts, FIRST_FACT),
            "jobs": [*self._messages(self._jobs, FIRST_JOB), *self._again()],
        }

    def _messages(self, messages: Sequence[Message], first: int) -> list[dict[str, object]]:
        return [
            {"id": one.id, "type": one.type, "subject": one.subject, "data": one.data}
            for one in stamp(self.command, messages, first)
        ]

    def _again(self) -> list[dict[str, object]]:
        return [
            {
                "id": fact_id(self.command.id, number, one.type),
                "type": one.type,
                "subject": one.subject,
                "data": one.data,
            }
            for number, one in enumerate(self._requeued, start=FIRST_REQUEUED)
        ]


# The append and the commit are one message: the journal's lock must not be held while this process
# is busy with something else. The simple protocol allows that and takes no parameters, so the
# entry is quoted; the position comes back through a setting of the session.
_APPEND_AND_COMMIT = """
    SELECT set_config('tagstream.position', append_journal({entry}::jsonb)::text, false);
    COMMIT
"""
_POSITION = "SELECT current_setting('tagstream.position')::bigint"
_COMMIT_WAIT_S = 5.0


@asynccontextmanager
async def transaction(
    database: Database, command: Command, *, dry_run: bool = False
) -> AsyncIterator[Transaction]:
    """Opens the one transaction of a command; appends and commits when the block ends well.

    A dry run does everything but append and commit, and leaves no trace.

    Raises Conflict when another transaction came first and Unavailable when Postgres is away; in
    both cases nothing was written, except that a connection lost during the commit leaves it open
    whether it was: the caller answers with an error and the client's retry finds the state.
    """
    async with database.connection() as connection:
        await connection.execute("BEGIN")
        tx = Transaction(connection, command)
        try:
            yield tx
            if dry_run:
                await connection.execute("ROLLBACK")
            else:
                await _committed(_commit(tx))
        except BaseException:
            await _roll_back(connection)
            raise


async def _commit(tx: Transaction) -> None:
    if tx.is_empty:
        await tx.connection.execute("COMMIT")
        return
    entry = "'" + orjson.dumps(tx.entry()).decode().replace("'", "''") + "'"
    with metrics.timed(JOURNAL_APPEND_DURATION):
        await tx.connection.execute(_APPEND_AND_COMMIT.format(entry=entry))
    tx.position = await flush_and_read(tx.connection, _POSITION)


async def _committed(commit: Coroutine[None, None, None]) -> None:
    """Commits; who is cancelled meanwhile still waits for the answer, a few seconds, since the
    connection is of no use to anybody else before it came."""
    committing = asyncio.ensure_future(commit)
    try:
        await asyncio.shield(committing)
    except asyncio.CancelledError:
        await asyncio.wait([committing], timeout=_COMMIT_WAIT_S)
        raise


async def _roll_back(connection: Connection) -> None:
    try:
        async with asyncio.timeout(2):
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
    except Exception:
        # The connection is gone or stuck: Postgres rolls back by itself, the first error matters.
        return


_HEAD = "SELECT position FROM journal_head"


async def load_head(connection: Connection) -> int:
    """The newest committed position; in a snapshot, the position its rows belong to."""
    position: int = await connection.fetchval(_HEAD)
    return position


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change as it is read back for a watch."""

    position: int
    at: datetime
    change: Change


_CHANGES = """
    SELECT position, at, api_group, resource, namespace, name, uid::text, type, previous, body,
           delta
    FROM changes
"""
_READ = f"""
    {_CHANGES} WHERE position > $1 ORDER BY position LIMIT $2
"""


async def read_changes(connection: Connection, after: int, limit: int) -> list[RecordedChange]:
    """Changes after a position, in order, at most `limit`, all of them on disk. Holes are
    transactions without one."""
    rows = await connection.fetch(_READ, after, limit)
    if rows:
        await flush(connection)
    return [_recorded(row) for row in rows]


def _recorded(row: Row) -> RecordedChange:
    position, at, *change = row.values()
    return RecordedChange(position, at, Change(*change))


_READ_OBJECT = f"""
    {_CHANGES} WHERE uid = $1 AND position > $2 ORDER BY position
"""


async def read_object_changes(connection: Connection, uid: str, after: int) -> list[RecordedChange]:
    """The later changes of one object, in order."""
    return [_recorded(row) for row in await connection.fetch(_READ_OBJECT, uid, after)]


_READ_OBJECT_BACK = f"""
    {_CHANGES} WHERE uid = $1 AND position >= $2 AND position < $3
    ORDER BY position DESC LIMIT $4
"""


async def read_object_changes_back(
    connection: Connection, uid: str, first: int, before: int, limit: int
) -> list[RecordedChange]:
    """Changes of one object from `first` on and before a position, the newest first."""
    rows = await connection.fetch(_READ_OBJECT_BACK, uid, first, before, limit)
    return [_recorded(row) for row in rows]


_OLDEST = "SELECT position FROM changes ORDER BY position LIMIT 1"


async def load_oldest(connection: Connection) -> int:
    """The position after which every change is still there."""
    position: int | None = await connection.fetchval(_OLDEST)
    return position - 1 if position is not None else await load_head(connection)


# A watch that comes back later is better off with a list than with everything that happened. It is
# counted from the newest change: where nothing happened since, nothing has to be read.
WATCH_WINDOW = timedelta(hours=1)
_OLDEST_WATCHABLE = """
    SELECT greatest(
        (SELECT position - 1 FROM changes ORDER BY position LIMIT 1),
        (SELECT position FROM changes
         WHERE at < (SELECT at FROM changes ORDER BY position DESC LIMIT 1) - $1::interval
         ORDER BY at DESC LIMIT 1))
"""


async def load_oldest_watchable(connection: Connection) -> int:
    """The oldest position that a watch can still start after."""
    position: int | None = await connection.fetchval(_OLDEST_WATCHABLE, WATCH_WINDOW)
    return position if position is not None else await load_head(connection)


def dump_json(value: object) -> bytes:
    """Canonical JSON: sorted keys, no blanks. Two equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
