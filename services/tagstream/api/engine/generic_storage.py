"""The storage of every kind that is not ours to understand: rows, transactions, the journal.

Owns loading, locking, retrying and recording; what a write makes of an object is decided in
`generic_decisions.py` with the kind's `Rules`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.generic_decisions import (
    decide_changed,
    decide_deleted,
    decide_new,
    needs_removal,
)
from tagstream.api.engine.generic_listing import select_page
from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.namespaces import require_active_namespace
from tagstream.api.engine.object_metadata import derive_uid
from tagstream.api.engine.routing import WatchSource
from tagstream.api.engine.rules import Rules
from tagstream.api.engine.sealed_bodies import SealedBodies
from tagstream.api.engine.storage import (
    Changer,
    DeleteOptions,
    ListPage,
    ListQuery,
    Storage,
    WriteOptions,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import (
    already_exists,
    build_success,
    not_found,
)
from tagstream.errors import Conflict
from tagstream.store.database import Connection, Database
from tagstream.store.journal import Change, Transaction, load_head, transaction
from tagstream.store.resources import (
    Resource,
    delete_resource,
    insert_resource,
    load_resource,
    update_resource,
)
from tagstream.store.sealing import Sealer

_ATTEMPTS = 5
_PAUSE_S = 0.005


@dataclass(frozen=True, slots=True)
class _Written:
    """How a transaction ended. `change` None: nothing had to be written."""

    item: JsonObject
    change: Change | None = None


class GenericStorage(Storage):
    """Implements `Storage` for one kind. `sealer` is needed by kinds whose rules say `sealed`."""

    def __init__(
        self, kind: Kind, database: Database, rules: Rules, sealer: Sealer | None = None
    ) -> None:
        self._kind = kind
        self._database = database
        self._rules = rules
        form = rules.stored_form
        self._group = kind.group if form is None else form.group
        self._resource = kind.resource if form is None else form.resource
        self._sealed: SealedBodies | None = None
        if rules.sealed:
            if sealer is None:
                raise ValueError(f"{kind.resource} need a sealer")
            self._sealed = SealedBodies(sealer)

    @property
    def watch_source(self) -> WatchSource:
        """What `Registry.register` needs to know for this kind's watches."""
        shows = self._sealed is not None or self._rules.stored_form is not None
        return WatchSource(self._group, self._resource, self._show if shows else None)

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        async with self._database.connection() as connection:
            return self._to_item(await self._load(connection, namespace, name))

    async def get_subresource(
        self, ctx: RequestContext, namespace: str, name: str, subresource: str
    ) -> JsonObject:
        return self._view(subresource, await self.get(ctx, namespace, name))

    def _view(self, subresource: str, item: JsonObject) -> JsonObject:
        view = self._rules.views.get(subresource)
        return item if view is None else view.show(item)

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        async with self._database.snapshot() as connection:
            version = await load_head(connection)
            rows, after = await select_page(
                connection, (self._group, self._resource), namespace, query, self._to_fields
            )
        items = [self._to_item(row) for row in rows]
        return ListPage(items, query.at_version or version, after)

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        name = wanted["metadata"].get("name", "")

        async def decide(connection: Connection) -> JsonObject:
            if self._kind.namespaced:
                await require_active_namespace(connection, self._kind, namespace, name)
            new = decide_new(self._kind, self._rules, wanted, derive_uid(ctx.id), ctx.second)
            if await self._find(connection, namespace, name) is not None:
                raise already_exists(self._kind.resource, self._kind.group, name)
            return new

        async def write(tx: Transaction) -> _Written:
            new = await decide(tx.connection)
            change = await insert_resource(tx, self._to_row(new, 0))
            for companion in self._rules.companions(new, tx.command):
                await insert_resource(tx, companion)
            self._emit(tx, None, new)
            return _Written(new, change)

        if options.dry_run:
            async with self._database.connection() as connection:
                return await decide(connection)
        return await self._transact(ctx, "create", write)

    async def update(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        change: Changer,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[JsonObject, bool]:
        view = self._rules.views.get(subresource)

        def decide(old: JsonObject) -> JsonObject:
            if view is None:
                return decide_changed(self._kind, self._rules, old, change(old), subresource)
            wanted = view.merge(old, change(view.show(old)))
            return decide_changed(self._kind, self._rules, old, wanted, "")

        async def write(tx: Transaction) -> _Written:
            row = await self._load(tx.connection, namespace, name, lock=True)
            old = self._to_item(row)
            new = decide(old)
            if new == old:
                return _Written(old)
            return await self._replace(tx, row, old, new)

        if options.dry_run:
            old = await self.get(ctx, namespace, name)
            return self._view(subresource, decide(old)), False
        verb = f"update {subresource}".rstrip()
        stored = await self._transact(ctx, verb, write)
        return self._view(subresource, stored), False

    async def _replace(
        self, tx: Transaction, row: Resource, old: JsonObject, new: JsonObject
    ) -> _Written:
        after = self._to_row(new, row.version)
        if needs_removal(self._rules, new):
            recorded = await delete_resource(tx, after)
            self._emit(tx, old, None)
        else:
            recorded = await update_resource(tx, after)
            self._emit(tx, old, new)
        return _Written(new, recorded)

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        async def write(tx: Transaction) -> _Written:
            row = await self._load(tx.connection, namespace, name, lock=True)
            old = self._to_item(row)
            left = decide_deleted(self._kind, self._rules, old, options, ctx.second)
            if left is None:
                recorded = await delete_resource(tx, self._to_row(old, row.version))
                self._emit(tx, old, None)
                return _Written(self._success(old), recorded)
            if left == old:
                return _Written(old)
            return _Written(left, await update_resource(tx, self._to_row(left, row.version)))

        if options.dry_run:
            old = await self.get(ctx, namespace, name)
            left = decide_deleted(self._kind, self._rules, old, options, ctx.second)
            return self._success(old) if left is None else left
        return await self._transact(ctx, "delete", write)

    def _success(self, gone: JsonObject) -> JsonObject:
        metadata = gone["metadata"]
        return build_success(
            resource=self._kind.resource,
            group=self._kind.group,
            name=metadata["name"],
            uid=metadata["uid"],
        )

    async def _transact(
        self, ctx: RequestContext, verb: str, write: Callable[[Transaction], Awaitable[_Written]]
    ) -> JsonObject:
        """Runs a write, again after a lost race; the object with its new version."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._attempt(ctx, verb, write)
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE_S * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(
        self, ctx: RequestContext, verb: str, write: Callable[[Transaction], Awaitable[_Written]]
    ) -> JsonObject:
        program = ctx.agent.partition("/")[0].partition(" ")[0]
        command = ctx.command(f"resource.{verb.split()[0]}", f"{program} {verb}".strip(), {})
        async with transaction(self._database, command) as tx:
            written = await write(tx)
            if written.change is not None:
                tx.command = replace(command, arguments=_arguments(verb, written.change))
        if written.change is not None and "uid" in written.item["metadata"]:
            version = tx.version_of(written.change)
            written.item["metadata"]["resourceVersion"] = str(version)
        return written.item

    def _emit(self, tx: Transaction, old: JsonObject | None, new: JsonObject | None) -> None:
        for fact in self._rules.facts(old, new):
            tx.emit(fact)

    async def _find(
        self, connection: Connection, namespace: str, name: str, *, lock: bool = False
    ) -> Resource | None:
        return await load_resource(
            connection, self._group, self._resource, namespace, name, lock=lock
        )

    async def _load(
        self, connection: Connection, namespace: str, name: str, *, lock: bool = False
    ) -> Resource:
        row = await self._find(connection, namespace, name, lock=lock)
        if row is None:
            raise not_found(self._kind.resource, self._kind.group, name)
        return row

    def _to_item(self, row: Resource) -> JsonObject:
        """The object as clients see it. Bodies are fresh from the database and may be changed."""
        item = cast(JsonObject, row.body)
        if self._sealed is not None:
            item = self._sealed.reveal(item, row.sealed)
        item["metadata"]["resourceVersion"] = str(row.version)
        form = self._rules.stored_form
        return item if form is None else form.from_stored(item)

    def _to_fields(self, row: Resource) -> JsonObject:
        """What selectors look at: the object without its sealed values."""
        form = self._rules.stored_form
        item = cast(JsonObject, row.body)
        return item if form is None else form.from_stored(item)

    def _to_row(self, item: JsonObject, version: int) -> Resource:
        form = self._rules.stored_form
        stored = dict(item) if form is None else form.to_stored(item)
        metadata = {k: v for k, v in stored["metadata"].items() if k != "resourceVersion"}
        stored["metadata"] = metadata
        sealed = None
        if self._sealed is not None:
            stored, sealed = self._sealed.hide(stored)
        return Resource(
            self._group,
            self._resource,
            metadata.get("namespace", ""),
            metadata["name"],
            metadata["uid"],
            version,
            metadata.get("labels") or {},
            stored,
            sealed,
        )

    async def _show(self, ctx: RequestContext, item: JsonObject) -> JsonObject | None:
        form = self._rules.stored_form
        if form is not None:
            return form.from_stored(item)
        assert self._sealed is not None
        metadata = item["metadata"]
        async with self._database.connection() as connection:
            row = await self._find(connection, metadata.get("namespace", ""), metadata["name"])
        if row is None or not self._sealed.same_values(cast(JsonObject, row.body), item):
            # Changed again or gone: a later event of this watch tells the rest.
            return self._sealed.strip(item)
        return self._sealed.reveal(item, row.sealed)


def _arguments(verb: str, change: Change) -> JsonObject:
    """What was done to what. The object itself stands in the change of the same transaction."""
    return {
        "verb": verb,
        "group": change.group,
        "resource": change.resource,
        "namespace": change.namespace,
        "name": change.name,
    }
