"""What a watcher receives, and how it asks for it. The hub (hub.py) implements it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import orjson

from tagstream.api.wire.json_types import JsonObject

WatchType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(slots=True)
class WatchEvent:
    """One change of one object, shared by all its watchers.

    `object` is whole, with apiVersion, kind and resourceVersion = `position`. `json_line` is the
    ready frame of a plain JSON watch, made once however many watch.
    """

    position: int
    type: WatchType
    object: JsonObject
    _line: bytes = field(default=b"", repr=False)

    @property
    def json_line(self) -> bytes:
        if not self._line:
            body = orjson.dumps({"type": self.type, "object": self.object})
            self._line = body + b"\n"
        return self._line


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
