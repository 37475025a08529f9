"""The histories by name, each with what tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from fakes.histories.importing import (
    flapping_registry,
    import_after_deletion,
    same_digest_again,
)
from fakes.histories.lifetimes import deleted_and_recreated
from fakes.histories.pruning import prune_beside_tagging
from fakes.histories.tagging import alias_chain, concurrent_taggers
from fakes.histories.workloads import trigger_paused
from fakes.story import Story

HISTORIES: Mapping[str, Callable[[Story], Awaitable[None]]] = {
    "concurrent-taggers": concurrent_taggers,
    "alias-chain": alias_chain,
    "flapping-registry": flapping_registry,
    "import-after-deletion": import_after_deletion,
    "deleted-and-recreated": deleted_and_recreated,
    "same-digest-again": same_digest_again,
    "trigger-paused": trigger_paused,
    "prune-beside-tagging": prune_beside_tagging,
}

FOLDER = Path(__file__).parents[2] / "replay" / "histories"


def read_history(name: str) -> list[bytes]:
    """The lines of a committed file."""
    return (FOLDER / f"{name}.rec").read_bytes().splitlines(keepends=True)
