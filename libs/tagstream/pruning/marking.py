"""Marking: from the rules to what would go, in one snapshot, touching nothing.

The sets are worked out by Postgres (store/prune_marks.py); here the image texts of workloads are
read, a page at a time, and a run with broken ones is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tagstream.errors import InvalidInput
from tagstream.images.reference import InvalidReference
from tagstream.pruning.references import BadReference, read_reference
from tagstream.pruning.rules import PruneRules
from tagstream.pruning.size_limits import IMAGE_LIMIT, parse_size
from tagstream.store.database import Connection, Database
from tagstream.store.journal import load_head
from tagstream.store.prune import load_clock
from tagstream.store.prune_items import (
    ItemRules,
    find_large_images,
    page_limits,
    save_limits,
)
from tagstream.store.prune_marks import (
    MarkedCounts,
    Spelling,
    Users,
    count_marked,
    find_uses,
    list_bad_uses,
    mark_images,
    mark_items,
    marking,
    page_unread_images,
    save_spellings,
)

_PAGE = 2000
_MOST_BAD_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `total` 0 means that nobody knows yet."""

    step: str
    done: int = 0
    total: int = 0


Tell = Callable[[Progress], None]


def tell_nobody(progress: Progress) -> None:
    """For runs that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What the marks say, and by which rules they were made. `position` is the snapshot's;
    `marked_at` the database's clock.

    `bad` holds the first of `bad_count` references that were ignored.
    """

    position: int
    marked_at: datetime
    items: ItemRules
    users: Users
    counts: MarkedCounts
    bad: tuple[BadReference, ...]
    bad_count: int


class BadReferences(InvalidInput):
    """Some workloads name images that cannot be read, so nothing is pruned."""

    def __init__(self, bad: tuple[BadReference, ...], count: int) -> None:
        more = f" and {count - 1} more" if count > 1 else ""
        super().__init__(
            "",
            f"nothing was changed: {bad[0].line()}{more}; fix the references, delete the objects, "
            "or ask to ignore invalid references",
        )
        self.bad = bad
        self.count = count


async def mark(
    session: Database, rules: PruneRules, started_at: datetime, tell: Tell = tell_nobody
) -> Marked:
    """Marks what nobody uses, in a session of `open_marks` that holds no marks yet.

    Raises BadReferences, unless the rules ignore them, and Unavailable.
    """
    items, users = _in_sql(rules, started_at)
    async with marking(session) as connection:
        position, marked_at = await load_head(connection), await load_clock(connection)
        tell(Progress("reading workloads"))
        await find_uses(connection, users)
        await read_new_images(connection)
        count, first = await list_bad_uses(connection, _MOST_BAD_SHOWN)
        bad = tuple(BadReference(*one) for one in first)
        if bad and not rules.ignore_invalid_references:
            raise BadReferences(bad, count)
        tell(Progress("reading histories"))
        if rules.over_size_limit:
            await _read_limits(connection, rules.namespace)
        await mark_items(connection, items)
        if not rules.namespace:
            tell(Progress("reading images"))
            await mark_images(connection, items.threshold, rules.all_images)
        counts = await count_marked(connection)
        return Marked(position, marked_at, items, users, counts, bad, count)


def _in_sql(rules: PruneRules, started_at: datetime) -> tuple[ItemRules, Users]:
    threshold = rules.threshold(started_at)
    items = ItemRules(threshold, rules.keep_tag_revisions, rules.namespace, rules.over_size_limit)
    return items, Users(rules.namespace, rules.ended_pods_since(started_at))


async def _read_limits(connection: Connection, namespace: str) -> None:
    """Raises InvalidInput, naming the LimitRange."""
    async for page in page_limits(connection, IMAGE_LIMIT, namespace, _PAGE):
        sizes = [
            (where, parse_size(f"LimitRange {name} in namespace {where}: max.storage", most))
            for where, name, most in page
        ]
        await save_limits(connection, sizes)
    await find_large_images(connection)


async def read_new_images(connection: Connection) -> set[tuple[str, str]]:
    """Reads the image texts noted since the last time; the streams (namespace and name) that they
    are about."""
    streams: set[tuple[str, str]] = set()
    async for images in page_unread_images(connection, _PAGE):
        spellings = [spell(image) for image in images]
        streams |= {(namespace, stream) for _, namespace, stream, *_ in spellings if stream}
        await save_spellings(connection, spellings)
    return streams


def spell(image: str) -> Spelling:
    """What an image text names, or why it cannot be read."""
    try:
        found = read_reference(image)
    except InvalidReference as error:
        return (image, "", "", "", "", str(error))
    if found is None:
        return (image, "", "", "", "", "")
    return (image, found.namespace, found.stream, found.tag, found.digest, "")
