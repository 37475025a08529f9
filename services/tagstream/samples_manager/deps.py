"""What the samples-manager works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tagstream.kube.client import KubeClient
from tagstream.samples_manager.config import State


@dataclass(frozen=True, slots=True)
class Deps:
    """`wished` is the state of a Config that has to be made; `machine` is this machine's CPU.

    `resync_s` is the longest time between two looks. `is_ours` says whether we still hold the
    lease, by the database's clock.
    """

    kube: KubeClient
    library: Path
    wished: State
    machine: str
    clock: Callable[[], datetime]
    resync_s: float
    is_ours: Callable[[], Awaitable[bool]]
