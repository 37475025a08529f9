"""The namespace controller: repairs the defaults, empties what is being deleted, removes it.

Level-triggered: each function looks at the state as it is and may run at any time.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from tagstream.api.access.namespace_defaults import DEFAULT_KEYS, add_namespace_defaults
from tagstream.api.access.system_objects import format_second
from tagstream.api.housekeeping.decisions import (
    finalizers_of,
    is_deleted,
    is_empty_namespace_held,
    marked_deleted,
    without_namespace_finalizers,
)
from tagstream.api.housekeeping.deps import Deps
from tagstream.errors import Conflict
from tagstream.store.housekeeping_reads import (
    has_content,
    list_abandoned_namespaces,
    list_missing_defaults,
    list_terminating_namespaces,
    lock_deletable_content,
)
from tagstream.store.journal import Transaction
from tagstream.store.resources import Resource, delete_resource, load_resource, update_resource
from tagstream.store.stream_writes import delete_stream, save_stream
from tagstream.store.streams import list_headers, load_stream
from tagstream.streams.stream_commands import decide_deletion

log = structlog.get_logger()

_BATCH = 100
_MISSING_AT_ONCE = 1000


async def repair_defaults(deps: Deps) -> int:
    """Makes what active namespaces lack (spec image-api-and-import §9.2); returns how many got
    something."""
    async with deps.database.connection() as connection:
        missing = await list_missing_defaults(connection, DEFAULT_KEYS, _MISSING_AT_ONCE)
    for namespace, keys in missing.items():
        try:
            async with deps.transaction(
                "repair-defaults", "default objects were missing", {"namespace": namespace}
            ) as tx:
                row = await load_resource(tx.connection, "", "namespaces", "", namespace, lock=True)
                if row is not None and not is_deleted(row.body):
                    await add_namespace_defaults(tx, namespace, only=keys)
        except Conflict:
            # Somebody made one of them just now: the next look finds what is still missing.
            continue
    return len(missing)


async def terminate_namespaces(deps: Deps) -> None:
    """Empties and removes every namespace that is being deleted."""
    async with deps.database.connection() as connection:
        names = await list_terminating_namespaces(connection)
    for name in names:
        await _terminate(deps, name)


async def sweep_abandoned(deps: Deps) -> None:
    """Removes what was left in namespaces that are gone."""
    async with deps.database.connection() as connection:
        names = await list_abandoned_namespaces(connection)
    for name in names:
        log.warning("namespace is gone but not empty", namespace=name)
        await _terminate(deps, name)


async def _terminate(deps: Deps, name: str) -> None:
    try:
        while await _delete_batch(deps, name):
            pass
        await _delete_streams(deps, name)
        await _remove(deps, name)
    except Conflict as error:
        log.info("namespace not emptied yet", namespace=name, error=str(error))


async def _delete_batch(deps: Deps, namespace: str) -> bool:
    """Deletes some objects, or marks those that have finalizers; False when there are no more."""
    async with deps.transaction(
        "empty-namespace", "namespace deleted", {"namespace": namespace}
    ) as tx:
        rows = await lock_deletable_content(tx.connection, namespace, _BATCH)
        for row in rows:
            await delete_or_mark(tx, row)
    return bool(rows)


async def delete_or_mark(tx: Transaction, row: Resource) -> None:
    """Deletes a locked object, or lets its finalizers know."""
    if not finalizers_of(row.body):
        await delete_resource(tx, row)
    elif not is_deleted(row.body):
        body = marked_deleted(row.body, format_second(tx.command.at))
        await update_resource(tx, replace(row, body=body))


async def _delete_streams(deps: Deps, namespace: str) -> None:
    after = ("", "")
    while True:
        async with deps.database.connection() as connection:
            headers = await list_headers(connection, namespace, after, _BATCH)
        for header in headers:
            await delete_owned_stream(deps, namespace, header.name, "namespace deleted")
        if len(headers) < _BATCH:
            return
        after = (headers[-1].namespace, headers[-1].name)


async def delete_owned_stream(deps: Deps, namespace: str, name: str, cause: str) -> None:
    """Deletes an image stream, or lets its finalizers know."""
    arguments = {"namespace": namespace, "stream": name}
    async with deps.transaction("delete-stream", cause, arguments) as tx:
        stream = await load_stream(tx.connection, namespace, name, lock=True)
        if stream is None:
            return
        marked = decide_deletion(stream, tx.command.at.replace(microsecond=0))
        if marked is None:
            await delete_stream(tx, stream, deps.internal_registry)
        else:
            await save_stream(tx, stream, marked, deps.internal_registry)


async def _remove(deps: Deps, name: str) -> None:
    """The namespace's own row, once nothing is left in it and nobody else holds it."""
    async with deps.transaction("remove-namespace", "namespace is empty", {"name": name}) as tx:
        row = await load_resource(tx.connection, "", "namespaces", "", name, lock=True)
        if row is None or await has_content(tx.connection, name):
            return
        body = without_namespace_finalizers(row.body)
        if not is_empty_namespace_held(body):
            await delete_resource(tx, replace(row, body=body))
        elif body != row.body:
            await update_resource(tx, replace(row, body=body))
