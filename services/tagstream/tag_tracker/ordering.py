"""Ordering imports: the rows and the jobs for what a stream needs now, in one transaction.

Owns loading and saving; which tags, and how they are grouped, is streams/import_orders.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tagstream.bus.outcomes import Outcome
from tagstream.events.import_facts import import_job
from tagstream.store.database import Connection
from tagstream.store.imports import (
    insert_import,
    list_pending_tags,
    list_scheduled_tags,
    load_open_generations,
    reorder_import,
)
from tagstream.store.journal import Transaction, transaction
from tagstream.store.streams import load_header, load_tags
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_orders import (
    ImportOrder,
    OrderedImport,
    decide_all_orders,
    make_orders,
    wants_repository,
)
from tagstream.tag_tracker.deps import Deps, Fence


@dataclass(frozen=True, slots=True)
class Wish:
    """Why imports are ordered, and which tags have to be loaded to decide on them."""

    cause: str
    scheduled: bool
    list_tags: Callable[[Connection, str], Awaitable[list[str]]]


PENDING = Wish("import", False, list_pending_tags)
SCHEDULED = Wish("scheduled import", True, list_scheduled_tags)


async def order_imports(
    deps: Deps, namespace: str, name: str, wish: Wish, *, fence: Fence | None = None
) -> Outcome:
    """Order what the stream needs and nobody has ordered yet."""
    command = deps.command(
        "import.request",
        wish.cause,
        {
            "namespace": namespace,
            "stream": name,
            "scheduled": wish.scheduled,
            "deadlineSeconds": deps.deadline_s,
        },
    )
    async with transaction(deps.database, command) as tx:
        if fence is not None:
            await fence(tx.connection)
        header = await load_header(tx.connection, namespace, name, lock=True)
        if header is None:
            return Outcome.GONE
        orders = await _decide(tx, deps, header, wish)
        for order in make_orders(tx.command.id, header, orders, scheduled=wish.scheduled):
            await insert_import(tx, order)
            tx.order(import_job(order, header.generation))
    return Outcome.APPLIED if orders else Outcome.UNCHANGED


async def _decide(
    tx: Transaction, deps: Deps, header: ImageStream, wish: Wish
) -> Sequence[ImportOrder]:
    tags = await wish.list_tags(tx.connection, header.uid)
    if not tags and (wish.scheduled or not wants_repository(header)):
        return []
    stream = await load_tags(tx.connection, header, tags)
    under_way = await load_open_generations(tx.connection, header.uid)
    return decide_all_orders(
        stream, under_way, scheduled=wish.scheduled, deadline_s=deps.deadline_s
    )


async def order_again(tx: Transaction, order: OrderedImport) -> bool:
    """Have an unapplied import run once more, within a transaction; False when it is over."""
    if not await reorder_import(tx, order.id, tx.command.at):
        return False
    tx.order(import_job(order, 0))
    return True
