"""Repairing what a lost message left behind, and forgetting what is over.

Finds it in the rows, so that it does not matter how the message was lost.
"""

from __future__ import annotations

import structlog

from tagstream.errors import TagstreamError
from tagstream.store.images import forget_cached_images
from tagstream.store.imports import (
    ImportRow,
    forget_imports,
    list_pending_streams,
    list_unapplied,
)
from tagstream.store.journal import transaction
from tagstream.store.registry_budget import forget_slices
from tagstream.tag_tracker.applying import apply_import
from tagstream.tag_tracker.deps import Deps, Fence
from tagstream.tag_tracker.ordering import PENDING, order_again, order_imports

_log = structlog.get_logger(__name__)

_AT_ONCE = 1000
_FORGOTTEN_AT_ONCE = 5000


async def resync(deps: Deps, fence: Fence | None = None) -> None:
    """One look: order what nobody ordered, apply what nobody applied, order again what got lost.

    One stream that cannot be repaired does not keep the others from it.
    """
    now = deps.clock()
    async with deps.database.connection() as connection:
        pending = await list_pending_streams(connection, _AT_ONCE)
        stuck = await list_unapplied(
            connection, now - deps.finished_lost_after, now - deps.ordered_lost_after, _AT_ONCE
        )
    if stuck:
        _log.warning("imports without a message", count=len(stuck))
    for namespace, name in pending:
        try:
            await order_imports(deps, namespace, name, PENDING, fence=fence)
        except TagstreamError as error:
            _log.warning("import not ordered", stream=f"{namespace}/{name}", error=str(error))
    for row in stuck:
        try:
            await _repair(deps, row, fence)
        except TagstreamError as error:
            _log.warning("import not repaired", import_id=row.order.id, error=str(error))
    await _forget(deps)


async def _repair(deps: Deps, row: ImportRow, fence: Fence | None) -> None:
    if row.result is not None:
        await apply_import(deps, row.order.id)
        return
    command = deps.command("import.again", "resync", {"import": row.order.to_json()})
    async with transaction(deps.database, command) as tx:
        if fence is not None:
            await fence(tx.connection)
        await order_again(tx, row.order)


async def _forget(deps: Deps) -> None:
    async with deps.database.connection() as connection:
        await forget_imports(connection, _FORGOTTEN_AT_ONCE)
        await forget_cached_images(connection, _FORGOTTEN_AT_ONCE)
        await forget_slices(connection)
