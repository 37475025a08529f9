"""What a delta means for the rows of tag histories: which go, which are confirmed, which come.

Rows are retired, never deleted, so the store and a replay have to agree on which; both ask here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tagstream.streams.delta import HistoryChange, StreamDelta
from tagstream.streams.image_stream import TagEvent


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """`regenerate`: tags whose head only gets a newer generation. `retire`: tags with how many
    items go from the top. `push`: items that come on top, the oldest first; after the others."""

    regenerate: tuple[tuple[str, int], ...]
    retire: tuple[tuple[str, int], ...]
    push: tuple[tuple[str, TagEvent], ...]


def plan_items(delta: StreamDelta) -> ItemPlan:
    """The rows' share of a delta."""
    confirmed = {tag: c for tag, c in delta.status.items() if _only_regenerates(c)}
    moved = [(tag, change) for tag, change in delta.status.items() if tag not in confirmed]
    return ItemPlan(
        tuple((tag, change.added[0].generation) for tag, change in confirmed.items()),
        tuple((tag, len(change.removed)) for tag, change in moved if change.removed),
        tuple((tag, event) for tag, change in moved for event in reversed(change.added)),
    )


def _only_regenerates(change: HistoryChange) -> bool:
    """The same image, confirmed for a newer generation: no new item."""
    if len(change.removed) != 1 or len(change.added) != 1:
        return False
    old, new = change.removed[0], change.added[0]
    return replace(old, generation=new.generation) == new
