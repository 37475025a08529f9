"""Garbage collection by owner references: background, foreground and orphaned.

A dependent whose owners are all gone goes; one that still has an owner only stops naming the
others. An owner deleted in the foreground waits for the dependents that block it; one deleted with
`orphan` first lets its dependents go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tagstream.api.housekeeping.decisions import (
    FOREGROUND,
    ORPHAN,
    Fate,
    blocks,
    decide_dependent,
    finalizers_of,
    is_deleted,
    owner_uids,
    without_finalizer,
    without_owners,
)
from tagstream.api.housekeeping.deps import Deps
from tagstream.api.housekeeping.namespaces import delete_or_mark, delete_owned_stream
from tagstream.errors import Conflict
from tagstream.store.housekeeping_reads import (
    FIRST_UID,
    list_dependents,
    list_held_owners,
    list_owned_streams,
    load_owners,
    lock_by_uid,
)
from tagstream.store.journal import Transaction
from tagstream.store.resources import Resource, delete_resource, list_owned, update_resource

_PAGE = 500


async def collect_dependents_of(deps: Deps, owner_uid: str) -> None:
    """What is to become of the dependents of an object that is gone or going."""
    done: set[str] = set()
    while True:
        async with deps.database.connection() as connection:
            found = await list_owned(connection, owner_uid, _PAGE)
        fresh = [row.uid for row in found if row.uid not in done]
        if not fresh:
            return
        for uid in fresh:
            await _settle_dependent(deps, uid)
        done.update(fresh)


async def settle_owner(deps: Deps, uid: str) -> None:
    """Lets a deleted object go once what it waits for has happened."""
    async with deps.database.connection() as connection:
        waiting = [one for one in await load_owners(connection, [uid]) if one.goes_last]
    if waiting:
        await collect_dependents_of(deps, uid)
    try:
        async with deps.transaction("release-owner", "dependents are settled", {"uid": uid}) as tx:
            await _release(tx, uid)
    except Conflict:
        # Found again by the next look.
        return


async def collect_all(deps: Deps) -> None:
    """Looks at every object that names an owner, and at every owner that waits."""
    after = FIRST_UID
    while True:
        async with deps.database.connection() as connection:
            page = await list_dependents(connection, after, _PAGE)
        await _settle_all(deps, page)
        if len(page) < _PAGE:
            break
        after = page[-1]
    async with deps.database.connection() as connection:
        held = await list_held_owners(connection, _PAGE)
    for uid in held:
        await settle_owner(deps, uid)
    await _collect_streams(deps)


async def _settle_all(deps: Deps, uids: Iterable[str]) -> None:
    """Only those are locked that an unlocked look finds to have lost an owner."""
    for uid in uids:
        async with deps.database.connection() as connection:
            lost = await _has_lost_owner(connection_uid=uid, deps=deps)
        if lost:
            await _settle_dependent(deps, uid)


async def _settle_dependent(deps: Deps, uid: str) -> None:
    try:
        async with deps.transaction("collect", "owner is gone", {"uid": uid}) as tx:
            row = await lock_by_uid(tx.connection, uid)
            if row is None:
                return
            named = owner_uids(row.body)
            owners = await load_owners(tx.connection, named)
            decision = decide_dependent(row.namespace, named, owners)
            if decision.fate is Fate.DELETE:
                await delete_or_mark(tx, row)
            elif decision.fate is Fate.DETACH:
                body = without_owners(row.body, decision.owners)
                await update_resource(tx, replace(row, body=body))
    except Conflict:
        return
