"""What a watcher receives, and how it asks for it. The hub (hub.py) implements it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import orjson

from tagstream.api.wire.json_types import JsonObject

WatchType = Literal["ADDED", "MODIFIED", "DELETED"]


class WatchEvent:
    """One change of one object, shared by all its watchers.

    `object` is whole, with apiVersion, kind and resourceVersion = `position`. `json_line` is the
    ready frame of a plain JSON watch. Either is made from the other at most once, when first asked
    for, however many watch.
    """

    __slots__ = ("_line", "_object", "position", "type")

    def __init__(self, position: int, type: WatchType, object: JsonObject | None) -> None:
        self.position = position
        self.type = type
        self._object = object
        self._line = b""

    @classmethod
    def packed(cls, position: int, type: WatchType, body: JsonObject) -> WatchEvent:
        """The event of an object that has `orjson.Fragment`s in it."""
        event = cls(position, type, None)
        event._line = _line_of(type, body)
        return event

    @property
    def object(self) -> JsonObject:
        if self._object is None:
            body: JsonObject = orjson.loads(self._line)["object"]
            self._object = body
        return self._object

    @property
    def json_line(self) -> bytes:
        if not self._line:
            self._line = _line_of(self.type, self.object)
        return self._line


def _line_of(event_type: WatchType, body: JsonObject) -> bytes:
    return orjson.dumps({"type": event_type, "object": body}, option=orjson.OPT_APPEND_NEWLINE)


class Subscription(Protocol):
    """An open watch. Iterating yields batches in order: every change of the kind (in the
    namespace, with the name, if those were given) after the starting version, once.

    An empty batch means nothing matched lately: `position` has moved on and a bookmark may say so.
    """

    @property
    def position(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[list[WatchEvent]]: ...

    def close(self) -> None: ...


class Hub(Protocol):
    """Where watches are opened."""

    def subscribe(
        self, group: str, resource: str, *, namespace: str = "", name: str = "", after: int
    ) -> Subscription:
        """Raises ApiError 410 Expired when `after` is older than what is kept; a subscriber that
        falls too far behind meets the same error while it iterates."""
        ...
