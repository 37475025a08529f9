"""What services tell each other, read from the outboxes instead of from a bus.

Knows which handler a message is for, and in which lane its consumer would hold it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tagstream.events.envelope import CloudEvent, from_message
from tagstream.events.facts import (
    ImportCompleted,
    ImportFailed,
    ImportRequested,
    TagChanged,
    TriggersResumed,
)
from tagstream.events.jobs import ImportTags
from tagstream.events.subjects import parse_event_subject, parse_import_subject
from tagstream.store.database import Database
from tagstream.store.journal import load_head
from tagstream.tag_tracker.relaying import JournalOutbox


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to one handler. Within one lane a single replica keeps the order."""

    number: int
    consumer: str
    lane: str
    event: CloudEvent


@dataclass(slots=True)
class Outboxes:
    """What was committed to facts and jobs and has a handler, in commit order, each once."""

    database: Database
    _head: int = 0
    _seen: dict[str, int] = field(default_factory=dict)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    async def read(self) -> list[Delivery]:
        async with self.database.connection() as connection:
            head = await load_head(connection)
        if head == self._head:
            return []
        self._head = head
        found: list[Delivery] = []
        for table in ("facts", "jobs"):
            outbox = JournalOutbox(self.database, table)
            for message in await outbox.read(self._seen.get(table, 0), 10_000):
                self._seen[table] = message.position
                event = from_message(message.headers, message.data)
                consumer = CONSUMERS.get(event.type)
                if consumer is not None:
                    lane = _LANES[consumer](message.subject, event)
                    found.append(Delivery(next(self._count), consumer, lane, event))
        return found


CONSUMERS: Mapping[str, str] = {
    ImportRequested.TYPE: "requested",
    ImportCompleted.TYPE: "finished",
    ImportFailed.TYPE: "finished",
    ImportTags.TYPE: "ordered",
    TagChanged.TYPE: "changed",
    TriggersResumed.TYPE: "resumed",
}


def _stream_lane(subject: str, event: CloudEvent) -> str:
    parsed = parse_event_subject(subject)
    return f"{parsed.namespace}/{parsed.stream}"


# As the services build their consumers. Eight jobs of one host run at once, which is more than
# there ever are here, so each has a lane of its own.
_LANES: Mapping[str, Callable[[str, CloudEvent], str]] = {
    "requested": _stream_lane,
    "finished": _stream_lane,
    "ordered": lambda subject, event: f"{parse_import_subject(subject).host} {event.id}",
    "changed": lambda subject, event: subject,
    "resumed": lambda subject, event: subject,
}
