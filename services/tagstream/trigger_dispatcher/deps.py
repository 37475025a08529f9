"""What the dispatcher's handlers are given, and what a reaction was caused by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tagstream.kube.client import KubeClient
from tagstream.store.database import Connection, Database
from tagstream.store.trigger_intents import StoredIntent
from tagstream.trigger_dispatcher.gathering import Gathering
from tagstream.trigger_dispatcher.locks import KeyedLocks
from tagstream.trigger_dispatcher.matching import Change, StreamTag, Workload, WorkloadKey

CONCURRENT_REACTIONS = 32
# A tag with hundreds of followers then costs a tenth of the commits.
_PATIENCE_S = 0.03
ACTOR = "system:tagstream:trigger-dispatcher"

ResolveTag = Callable[[Connection, str, str, str], Awaitable[str | None]]
"""From namespace, stream and tag to the pull spec it resolves to now; None when it has none."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why workloads are looked at: one readable sentence part, and the event if there was one."""

    text: str
    event_id: str = ""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Fired:
    """A workload before a patch of ours and as that left it, what fired, why, and the note of the
    intent."""

    before: Workload
    workload: Workload
    changes: tuple[Change, ...]
    cause: Cause
    intent: StoredIntent


@dataclass(frozen=True, slots=True)
class Deps:
    """The outside world; `slots` bounds how many reactions run at once in this process.

    `patched` holds the resourceVersion that our last patch gave each workload, so that the watch's
    echo of it is known for one.
    """

    database: Database
    kube: KubeClient
    cluster: str
    resolve_tag: ResolveTag
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    locks: KeyedLocks = field(default_factory=KeyedLocks)
    intending: Gathering[StoredIntent, None] = field(default_factory=Gathering)
    firing: Gathering[Fired, Mapping[StreamTag, str]] = field(
        default_factory=lambda: Gathering(_PATIENCE_S)
    )
    patched: dict[WorkloadKey, str] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(CONCURRENT_REACTIONS)
    )
