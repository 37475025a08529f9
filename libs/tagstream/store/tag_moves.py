"""What a tag's stored items say of how it moved: from what to what, who, when, why. Pure.

Owns the types of a history and the reading of it. Rows of items are retired and never deleted, and
the commands that made or retired them say who, why and when. Loading them is in tag_history.py;
which items a write makes or retires is decided in `tagstream.streams`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

PRUNE = "prune.items"
STATUS = "imagestream.status"


class MoveKind(StrEnum):
    """What a move was."""

    SET = "set"
    MOVED = "moved"
    BACK = "rolled back"
    CORRECTED = "corrected"
    UNCOVERED = "uncovered"
    PRUNED = "pruned"
    TAG_DELETED = "tag deleted"
    STREAM_DELETED = "stream deleted"
    REMOVED = "removed"


class Departure(StrEnum):
    """Why an item is no longer in its tag's history. `REMOVED`: a writer of the status took it
    out; the tag's specification may still be there."""

    REPLACED = "replaced"
    PRUNED = "pruned"
    TAG_DELETED = "tag deleted"
    STREAM_DELETED = "stream deleted"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Act:
    """What is kept for ever of a command that made or retired an item. `position` is its place in
    the order of all commits."""

    command: str
    position: int
    at: datetime
    kind: str
    actor: str
    cause: str


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """A row of a tag's history. `seq` counts from 1 in one stream; `stream` is its uid.

    `created` is when the image came to be known: a tag that is set to what another tag means
    copies it, so it may be older than the move.
    """

    stream: str
    seq: int
    created: datetime
    image: str
    reference: str
    generation: int
    made: Act
    retired: Act | None = None

    @property
    def meaning(self) -> str:
        """What two items have in common that mean the same: a `reference` tag has no digest."""
        return self.image or self.reference


@dataclass(frozen=True, slots=True)
class Move:
    """The tag meant `old` before and `new` since; None stands for nothing.

    `departure` says why `new` is no longer in the history, None while it is.
    """

    kind: MoveKind
    at: datetime
    actor: str
    cause: str
    command: str
    old: HistoryItem | None
    new: HistoryItem | None
    departure: Departure | None = None

    @property
    def is_arrival(self) -> bool:
        """Whether it put an item on top; else it took one away."""
        return self.kind in _ARRIVALS

    @property
    def item(self) -> HistoryItem:
        """The item that was put on top or taken away."""
        item = self.new if self.is_arrival else self.old
        assert item is not None
        return item


_ARRIVALS = (MoveKind.SET, MoveKind.MOVED, MoveKind.BACK, MoveKind.CORRECTED)


@dataclass(slots=True)
class _Step:
    """What one command did to the stack."""

    act: Act
    added: list[HistoryItem] = field(default_factory=list)
    retired: list[HistoryItem] = field(default_factory=list)


def list_moves(items: Sequence[HistoryItem], deleted_after: int | None = None) -> list[Move]:
    """The moves that the items of one tag in one stream tell, newest first, as both are.

    `deleted_after` is the last version of a stream that was deleted, None for one that exists.
    Older items may be missing: the oldest move then seems to come from nothing.
    """
    stack: list[HistoryItem] = []
    seen: set[str] = set()
    moves: list[Move] = []
    departures: dict[int, Departure] = {}
    for step in _steps(items):
        before = stack[-1] if stack else None
        gone = {item.seq for item in step.retired}
        if gone:
            stack = [item for item in stack if item.seq not in gone]
        stack.extend(step.added)
        after = stack[-1] if stack else None
        reason = _departure(step, is_empty=not stack, deleted_after=deleted_after)
        departures.update(dict.fromkeys(gone, reason))
        if before is not after:
            kind = _kind(step, before, after, seen, reason)
            moves.append(_move(kind, step.act, before, after))
        seen.update(item.meaning for item in step.added)
    return [replace(move, departure=_of(move.new, departures)) for move in reversed(moves)]


def _of(item: HistoryItem | None, departures: Mapping[int, Departure]) -> Departure | None:
    return departures.get(item.seq) if item is not None else None


def _steps(items: Sequence[HistoryItem]) -> list[_Step]:
    """What each command did, in the order of their commits."""
    steps: dict[str, _Step] = {}
    for item in reversed(items):
        steps.setdefault(item.made.command, _Step(item.made)).added.append(item)
        if item.retired is not None:
            step = steps.setdefault(item.retired.command, _Step(item.retired))
            step.retired.append(item)
    return sorted(steps.values(), key=lambda step: step.act.position)


def _departure(step: _Step, *, is_empty: bool, deleted_after: int | None) -> Departure:
    act = step.act
    if step.added:
        return Departure.REPLACED
    if act.kind == PRUNE:
        return Departure.PRUNED
    if deleted_after is not None and act.position > deleted_after:
        return Departure.STREAM_DELETED
    if is_empty and act.kind != STATUS:
        return Departure.TAG_DELETED
    return Departure.REMOVED


_ENDS = {
    Departure.PRUNED: MoveKind.PRUNED,
    Departure.TAG_DELETED: MoveKind.TAG_DELETED,
    Departure.STREAM_DELETED: MoveKind.STREAM_DELETED,
    Departure.REMOVED: MoveKind.REMOVED,
}


def _kind(
    step: _Step,
    before: HistoryItem | None,
    after: HistoryItem | None,
    seen: Set[str],
    reason: Departure,
) -> MoveKind:
    if after is None:
        return _ENDS[reason]
    if before is None:
        return MoveKind.SET
    if not step.added:
        return MoveKind.UNCOVERED
    if any(item is before for item in step.retired) and after.created == before.created:
        return MoveKind.CORRECTED
    is_back = after.meaning != before.meaning and after.meaning in seen
    return MoveKind.BACK if is_back else MoveKind.MOVED


def _move(kind: MoveKind, act: Act, before: HistoryItem | None, after: HistoryItem | None) -> Move:
    return Move(kind, act.at, act.actor, act.cause, act.command, before, after)


def find_meaning(moves: Iterable[Move], at: datetime) -> tuple[Move | None, Move | None]:
    """Of moves newest first: the last one up to a moment, and the one that came after it."""
    after: Move | None = None
    for move in moves:
        if move.at <= at:
            return move, after
        after = move
    return None, after
