"""The ImagePruner `cluster`: read, made again when it is gone, and its status written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tagstream.errors import Conflict
from tagstream.pruner.deps import ACTOR, Deps
from tagstream.pruning.image_pruner import (
    FIRST_SPEC,
    GROUP,
    KIND,
    NAME,
    RESOURCE,
    VERSION,
    PrunerState,
    decide_status,
)
from tagstream.store.journal import Command, transaction
from tagstream.store.resources import (
    Resource,
    insert_resource,
    load_resource,
    update_resource,
)


async def load_pruner(deps: Deps) -> Resource:
    """The object; whoever deletes it gets a new one."""
    while True:
        async with deps.database.connection() as connection:
            found = await load_resource(connection, GROUP, RESOURCE, "", NAME)
        if found is not None:
            return found
        await _make(deps)


def spec_of(pruner: Resource) -> Mapping[str, object]:
    spec = pruner.body.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def created_at(pruner: Resource) -> datetime:
    metadata = pruner.body["metadata"]
    assert isinstance(metadata, Mapping)
    return datetime.fromisoformat(str(metadata["creationTimestamp"]))


async def _make(deps: Deps) -> None:
    command = _command(deps, "imagepruner.create")
    uid = str(uuid.uuid5(uuid.UUID(command.id), NAME))
    body = {
        "kind": KIND,
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {
            "name": NAME,
            "uid": uid,
            "creationTimestamp": command.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "generation": 1,
        },
        "spec": dict(FIRST_SPEC),
        "status": {},
    }
    try:
        async with transaction(deps.database, command) as tx:
            await insert_resource(tx, Resource(GROUP, RESOURCE, "", NAME, uid, 0, {}, body))
    except Conflict:
        # Somebody else was faster; theirs is read next.
        return


async def show_state(deps: Deps, state: PrunerState) -> None:
    """Writes the conditions where they differ."""
    async with transaction(deps.database, _command(deps, "imagepruner.status")) as tx:
        await deps.fence(tx.connection)
        now = await load_resource(tx.connection, GROUP, RESOURCE, "", NAME, lock=True)
        if now is None:
            return
        status = decide_status(now.body, state, tx.command.at)
        if status is not None:
            await update_resource(tx, replace(now, body={**now.body, "status": status}))


def _command(deps: Deps, kind: str) -> Command:
    return Command(str(uuid.uuid4()), kind, deps.clock(), ACTOR, "pruner", {"name": NAME})
