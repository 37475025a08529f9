"""Which changes a watch with selectors shows, and as what. Pure.

An object that begins to match is ADDED for this watcher, one that ceases to is DELETED. So the last
verdict on every object is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tagstream.api.watch.events import WatchEvent, WatchType
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.selectors import FieldSelector, LabelSelector

Matches = Callable[[JsonObject], bool]


def selects(labels: LabelSelector, fields: FieldSelector) -> Matches:
    """The condition of both selectors on an object."""

    def matches(item: JsonObject) -> bool:
        metadata = item.get("metadata") or {}
        if not labels.matches(metadata.get("labels")):
            return False
        if not fields.terms:
            return True
        return fields.matches({term.field: field_value(item, term.field) for term in fields.terms})

    return matches


def field_value(item: JsonObject, path: str) -> str:
    """A dotted path's value as field selectors compare it; absent is empty."""
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


class Selection:
    """The verdicts of one watch.

    `seeded_at` is the version at which exactly the objects in `matching` (uids) matched. A change
    before it to an object that was not seen yet leaves open whether the object matched; then it is
    shown in the way that no client can miss.
    """

    def __init__(self, matches: Matches, seeded_at: int, matching: Iterable[str]) -> None:
        self._matches = matches
        self._seeded_at = seeded_at
        self._matching = set(matching)
        self._seen: set[str] = set()

    def judge(self, event: WatchEvent) -> WatchType | None:
        """As what the event is shown, None when it is not."""
        uid = event.object["metadata"].get("uid", "")
        known = uid in self._seen or event.position > self._seeded_at
        before = uid in self._matching if known else event.type != "ADDED"
        now = event.type != "DELETED" and self._matches(event.object)
        self._remember(uid, event.type, now)
        if now:
            return ("MODIFIED" if before else "ADDED") if known else event.type
        return "DELETED" if before else None

    def _remember(self, uid: str, event_type: WatchType, now: bool) -> None:
        if now:
            self._matching.add(uid)
        else:
            self._matching.discard(uid)
        if event_type == "DELETED":
            self._seen.discard(uid)
        else:
            self._seen.add(uid)
