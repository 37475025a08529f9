"""What the pruner's work is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tagstream.pruning.sweeping import Fence, no_fence
from tagstream.store.database import Database

ACTOR = "system:tagstream:pruner"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Deps:
    """`fence` raises Conflict inside a transaction once the lease is lost."""

    database: Database
    internal_registry: str
    fence: Fence = no_fence
    clock: Callable[[], datetime] = field(default=_now)
