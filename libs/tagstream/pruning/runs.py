"""Whole runs: a dry one, and one that deletes and says so."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from tagstream.errors import Conflict
from tagstream.pruning.applying import COMPLETE, apply_complete
from tagstream.pruning.marking import Marked, Tell, mark, tell_nobody
from tagstream.pruning.rules import PruneRules, format_duration
from tagstream.pruning.sweeping import MarksOutdated, Sweep, Sweeper
from tagstream.store.database import Database
from tagstream.store.journal import transaction
from tagstream.store.prune import PruneRun, finish_run, forget_runs, start_run
from tagstream.store.prune_marks import open_marks, page_marked_images, page_marked_streams

_MARKINGS = 3
_PAGE = 500
_REMEMBERED = timedelta(days=30)
# As the guide's pruner says it, two blanks and all (D12).
UNTOUCHED_REGISTRY = (
    "Only API objects will be removed.  No modifications to the image registry will be made."
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do, as long as its session is open."""

    marked: Marked
    session: Database

    async def streams(self) -> AsyncIterator[tuple[str, str, int]]:
        """Namespace, name and lost items of each stream, in that order."""
        after = 0
        while True:
            async with self.session.connection() as connection:
                page = await page_marked_streams(connection, after, _PAGE)
            if not page:
                return
            for stream in page:
                yield stream.namespace, stream.name, stream.items
            after = page[-1].place

    async def images(self) -> AsyncIterator[str]:
        """The digests that would go, in order."""
        after = ""
        while True:
            async with self.session.connection() as connection:
                page = await page_marked_images(connection, after, _PAGE)
            if not page:
                return
            for digest in page:
                yield digest
            after = page[-1]


@asynccontextmanager
async def preview(
    database: Database, rules: PruneRules, now: datetime, tell: Tell = tell_nobody
) -> AsyncIterator[Preview]:
    """A dry run: marks, and lends what is marked. Raises BadReferences and Unavailable."""
    async with open_marks(database) as session:
        yield Preview(await mark(session, rules, now, tell), session)


async def begin_run(
    database: Database, rules: PruneRules, now: datetime, scheduled_for: datetime | None = None
) -> PruneRun | None:
    """Notes a run, so that its figures have a place; None when its time has had its run."""
    async with database.connection() as connection:
        await forget_runs(connection, now - _REMEMBERED)
        return await start_run(connection, str(uuid.uuid4()), rules.to_json(), now, scheduled_for)


async def prune(database: Database, run: PruneRun, sweep: Sweep) -> tuple[Marked, PruneRun]:
    """Does or continues a run, and ends it: what was marked at last, and the figures.

    Raises BadReferences when it is refused, before anything is touched; Conflict and Unavailable
    leave it open to be continued.
    """
    marked = await _mark_and_sweep(database, sweep, run.started_at)
    command = sweep.command(COMPLETE, {})
    async with transaction(database, command) as tx:
        await sweep.fence(tx.connection)
        ended = await finish_run(tx.connection, run.id, tx.command.at)
        if ended is None:
            raise Conflict(f"the run {run.id} was ended by somebody else")
        tx.say(_figures(ended, sweep.rules))
        apply_complete(tx)
    return marked, ended


async def _mark_and_sweep(database: Database, sweep: Sweep, started_at: datetime) -> Marked:
    for attempt in range(_MARKINGS):
        async with open_marks(database) as session:
            marked = await mark(session, sweep.rules, started_at, sweep.tell)
            try:
                await Sweeper(session, sweep, marked).run()
            except MarksOutdated:
                if attempt == _MARKINGS - 1:
                    raise
            else:
                return marked
    raise AssertionError("unreachable")


async def refuse_run(database: Database, run: PruneRun, now: datetime, error: str) -> None:
    """Ends a run that was refused; nothing was touched, so no fact tells of it."""
    async with database.connection() as connection:
        await finish_run(connection, run.id, now, error)


def _figures(run: PruneRun, rules: PruneRules) -> dict[str, object]:
    """As the fact has them."""
    return {
        "images": run.images,
        "items": run.items,
        "streams": run.streams,
        "keepTagRevisions": rules.keep_tag_revisions,
        "keepYoungerThan": format_duration(rules.keep_younger_than),
        "allImages": rules.all_images,
        "scheduled": run.origin == "schedule",
        "prunedNamespace": rules.namespace,
        "overSizeLimit": rules.over_size_limit,
    }
