"""Between a workload as a value and its rows in the index. Pure.

Owns what `body` of a row holds: all that a patch is built from, so that a reaction to a tag needs
no look at the cluster first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tagstream.store.workload_triggers import IndexedTrigger, IndexedWorkload
from tagstream.trigger_dispatcher.matching import (
    Workload,
    WorkloadKey,
    list_followings_or_none,
)
from tagstream.trigger_dispatcher.targets import Container


def to_index(
    workload: Workload, retry_at: datetime | None = None
) -> tuple[IndexedWorkload, tuple[IndexedTrigger, ...]]:
    """The rows of a workload; no triggers when it follows nothing or its annotation is broken."""
    triggers = tuple(
        IndexedTrigger(
            field_path=following.trigger.field_path,
            container=following.container.name if following.container else "",
            stream_namespace=following.source.namespace,
            stream=following.source.stream,
            tag=following.source.tag,
            paused=following.trigger.paused,
            image=following.container.image if following.container else "",
        )
        for following in list_followings_or_none(workload)
    )
    return to_row(workload, retry_at), triggers


def to_row(workload: Workload, retry_at: datetime | None = None) -> IndexedWorkload:
    """What all rows of the workload share."""
    key = workload.key
    return IndexedWorkload(
        key=(key.cluster, key.api_version, key.kind, key.namespace, key.name),
        uid=workload.uid,
        resource_version=workload.resource_version,
        body={
            "annotation": workload.annotation,
            "containers": [[c.list_name, c.index, c.name, c.image] for c in workload.containers],
            "generation": workload.generation,
        },
        retry_at=retry_at,
    )


def from_index(row: IndexedWorkload) -> Workload:
    """The workload as it was when its rows were written."""
    annotation, containers = row.body["annotation"], row.body["containers"]
    # Rows of an earlier release have none.
    generation = row.body.get("generation")
    assert isinstance(containers, list)
    return Workload(
        key=WorkloadKey(*row.key),
        uid=row.uid,
        resource_version=row.resource_version,
        annotation=annotation if isinstance(annotation, str) else None,
        containers=tuple(Container(*entry) for entry in containers),
        generation=generation if isinstance(generation, int) else 0,
    )


def is_same(old: Workload | None, new: Workload) -> bool:
    """Whether nothing changed that the index or a reaction cares about."""
    return old is not None and _essence(old) == _essence(new)


def is_older(old: Workload | None, new: Workload) -> bool:
    """Whether what comes as new is of an earlier generation of the same workload."""
    return old is not None and old.uid == new.uid and new.generation < old.generation


def _essence(workload: Workload) -> tuple[object, ...]:
    return workload.uid, workload.annotation, workload.containers


def is_paused(pauses: frozenset[str] | Mapping[str, object], namespace: str) -> bool:
    """Whether a pause of everything, or of the workload's namespace, is in force."""
    return "all" in pauses or f"namespace.{namespace}" in pauses
