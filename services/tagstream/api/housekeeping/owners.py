"""Garbage collection by owner references: background, foreground and orphaned.

A dependent whose owners are all gone goes; one that still has an owner only stops naming the
others. An owner deleted in the foreground waits for the dependents that block it; one deleted with
`orphan` first lets its dependents go.
"""

from __future__ import annotations

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
    OwnedStream,
    list_dependents,
    list_held_owners,
    list_owned_streams,
    load_owners,
    lock_by_uid,
)
from tagstream.store.journal import Transaction
from tagstream.store.resources import Resource, delete_resource, list_owned, update_resource

_PAGE = 500
_MOST_OWNED = 10_000


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
            owners = await load_owners(connection, {uid for one in page for uid in one.owners})
        for one in page:
            if decide_dependent(one.namespace, one.owners, owners).fate is not Fate.KEEP:
                await _settle_dependent(deps, one.uid)
        if len(page) < _PAGE:
            break
        after = page[-1].uid
    async with deps.database.connection() as connection:
        held = await list_held_owners(connection, _PAGE)
    for uid in held:
        await settle_owner(deps, uid)
    await _collect_streams(deps)


async def _collect_streams(deps: Deps) -> None:
    after = ("", "")
    while True:
        async with deps.database.connection() as connection:
            page = await list_owned_streams(connection, after, _PAGE)
            owners = await load_owners(connection, {uid for one in page for uid in one.owners})
        for one in page:
            if decide_dependent(one.namespace, one.owners, owners).fate is Fate.DELETE:
                await _delete_stream(deps, one)
        if len(page) < _PAGE:
            return
        after = (page[-1].namespace, page[-1].name)


async def _delete_stream(deps: Deps, stream: OwnedStream) -> None:
    try:
        await delete_owned_stream(deps, stream.namespace, stream.name, "owner is gone")
    except Conflict:
        # Somebody else writes it: the next look decides again.
        return


async def _settle_dependent(deps: Deps, uid: str) -> None:
    try:
        async with deps.transaction("collect", "owner is gone", {"uid": uid}) as tx:
            row = await lock_by_uid(tx.connection, uid)
            if row is None:
                return
            owners = await load_owners(tx.connection, owner_uids(row.body))
            decision = decide_dependent(row.namespace, owner_uids(row.body), owners)
            if decision.fate is Fate.DELETE:
                await delete_or_mark(tx, row)
            elif decision.fate is Fate.DETACH:
                body = without_owners(row.body, decision.owners)
                await update_resource(tx, replace(row, body=body))
    except Conflict:
        # Changed meanwhile: the next look decides again.
        return


async def _release(tx: Transaction, uid: str) -> None:
    row = await lock_by_uid(tx.connection, uid)
    if row is None or not is_deleted(row.body):
        return
    finalizers = finalizers_of(row.body)
    if ORPHAN in finalizers:
        for dependent in await _lock_owned(tx, uid):
            kept = [one for one in owner_uids(dependent.body) if one != uid]
            body = without_owners(dependent.body, kept)
            await update_resource(tx, replace(dependent, body=body))
        await _drop_finalizer(tx, row, ORPHAN)
    elif FOREGROUND in finalizers:
        owned = await _lock_owned(tx, uid)
        if not any(blocks(one.body, uid) for one in owned):
            await _drop_finalizer(tx, row, FOREGROUND)


async def _lock_owned(tx: Transaction, uid: str) -> list[Resource]:
    found = await list_owned(tx.connection, uid, _MOST_OWNED)
    locked = [await lock_by_uid(tx.connection, one.uid) for one in found]
    return [one for one in locked if one is not None and uid in owner_uids(one.body)]


async def _drop_finalizer(tx: Transaction, row: Resource, finalizer: str) -> None:
    body = without_finalizer(row.body, finalizer)
    after = replace(row, body=body)
    # A namespace goes when it is empty, not when its dependents are settled.
    if finalizers_of(body) or row.resource == "namespaces":
        await update_resource(tx, after)
    else:
        await delete_resource(tx, after)
