"""Who asks, when, and under which id: what every verb is handed besides its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tagstream.api.wire.json_types import JsonObject
from tagstream.store.journal import Command


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller. `groups` includes `system:authenticated`."""

    name: str
    groups: frozenset[str] = frozenset()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request. `now` is aware UTC and the only clock the request sees.

    `id` is a fresh uuid: the id of the command, if the request writes. `agent` is the User-Agent,
    `deadline_s` how long the request may take.
    """

    user: User
    now: datetime
    id: str
    agent: str = ""
    traceparent: str = ""
    deadline_s: float = 60.0

    @property
    def second(self) -> datetime:
        """`now` in whole seconds: the precision of every time in the API."""
        return self.now.replace(microsecond=0)

    def command(self, kind: str, cause: str, arguments: JsonObject) -> Command:
        """The journal's record of this request. `arguments` must hold no secret."""
        return Command(
            id=self.id,
            kind=kind,
            at=self.now,
            actor=self.user.name,
            cause=cause,
            arguments=arguments,
            traceparent=self.traceparent,
        )
