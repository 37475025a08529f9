"""Ordering imports: the rows and the jobs for what a stream needs now, in one transaction.

Owns loading and saving; which tags, and how they are grouped, is streams/import_orders.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tagstream.bus.outcomes import Outcome
from tagstream.events.jobs import ImportTags
from tagstream.events.message import TagGeneration
from tagstream.store.database import Connection
from tagstream.store.imports import (
    ImportRow,
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
    decide_orders,
    decide_repository_order,
    tags_to_check,
    tags_to_import,
    wants_repository,
)
from tagstream.tag_tracker.deps import Deps, Fence


@dataclass(frozen=True, slots=True)
class Wish:
    """Why imports are ordered: which tags are loaded, and which of them are meant."""

    cause: str
    scheduled: bool
    list_tags: Callable[[Connection, str], Awaitable[list[str]]]
    choose: Callable[[ImageStream], list[str]]


PENDING = Wish("import", False, list_pending_tags, tags_to_import)
SCHEDULED = Wish("scheduled import", True, list_scheduled_tags, tags_to_check)


async def order_imports(
    deps: Deps, namespace: str, name: str, wish: Wish, *, fence: Fence | None = None
) -> Outcome:
    """Order what the stream needs and nobody has ordered yet."""
    command = deps.command(
        "import.request",
        wish.cause,
        {"namespace": namespace, "stream": name, "scheduled": wish.scheduled},
    )
    async with transaction(deps.database, command) as tx:
        if fence is not None:
            await fence(tx.connection)
        header = await load_header(tx.connection, namespace, name, lock=True)
        if header is None:
            return Outcome.GONE
        orders = await _decide(tx, deps, header, wish)
        for number, order in enumerate(orders):
            await _order(tx, header, order, number, scheduled=wish.scheduled)
    return Outcome.APPLIED if orders else Outcome.UNCHANGED


async def _decide(
    tx: Transaction, deps: Deps, header: ImageStream, wish: Wish
) -> list[ImportOrder]:
    tags = await wish.list_tags(tx.connection, header.uid)
    if not tags and (wish.scheduled or not wants_repository(header)):
        return []
    stream = await load_tags(tx.connection, header, tags)
    under_way = await load_open_generations(tx.connection, header.uid)
    orders = decide_orders(stream, wish.choose(stream), under_way, deadline_s=deps.deadline_s)
    whole = decide_repository_order(stream, under_way, deadline_s=deps.deadline_s)
    return orders if whole is None or wish.scheduled else [*orders, whole]


async def _order(
    tx: Transaction, stream: ImageStream, order: ImportOrder, number: int, *, scheduled: bool
) -> None:
    row = ImportRow(
        id=str(uuid.uuid5(uuid.UUID(tx.command.id), f"{number} {order.host}")),
        stream_uid=stream.uid,
        namespace=stream.namespace,
        stream=stream.name,
        host=order.host,
        request=order.request.to_json(),
        generations=order.generations,
        scheduled=scheduled,
        requested_at=tx.command.at,
    )
    await insert_import(tx, row)
    tx.order(_job(row, stream.generation))


async def order_again(tx: Transaction, row: ImportRow) -> bool:
    """Have an unapplied import run once more, within a transaction; False when it is over."""
    if not await reorder_import(tx, row.id, tx.command.at):
        return False
    tx.order(_job(row, 0))
    return True


def _job(row: ImportRow, generation: int) -> ImportTags:
    return ImportTags(
        namespace=row.namespace,
        stream=row.stream,
        stream_uid=row.stream_uid,
        generation=generation,
        import_id=row.id,
        host=row.host,
        tags=tuple(TagGeneration(tag=t, generation=g) for t, g in row.generations.items()),
        scheduled=row.scheduled,
    )
