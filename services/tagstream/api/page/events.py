"""The last events: of everything, of a namespace or of a stream. Live ones are `live.py`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.engine.call import Answer
from tagstream.api.page.access import Reader
from tagstream.api.page.fact_lines import FactLine, describe_fact, text_of
from tagstream.api.page.visit import PageDeps, Visit
from tagstream.store.database import Connection
from tagstream.store.fact_reads import RecordedFact, list_recent_facts
from tagstream.store.journal import load_head
from tagstream.store.page_reads import load_namespace_births

_EVENTS = 100
_LOOK_BACK = 5000


@dataclass(frozen=True, slots=True)
class Scope:
    """What a feed is about; empty names stand for any."""

    namespace: str = ""
    stream: str = ""

    def has(self, data: Mapping[str, object]) -> bool:
        wanted = (("namespace", self.namespace), ("stream", self.stream))
        return all(not value or text_of(data, key) == value for key, value in wanted)


@dataclass(frozen=True, slots=True)
class Feed:
    """Lines, newest first, and the position that they go up to: live updates start after it.
    `looked_through` is how many facts of everybody were, 0 when those were all there are or lines
    enough were found."""

    lines: Sequence[FactLine]
    scope: Scope
    position: int
    looked_through: int


async def load_lines(
    connection: Connection,
    reader: Reader,
    births: Mapping[str, datetime],
    seen: Mapping[str, datetime] | None,
    scope: Scope,
    limit: int,
) -> Feed:
    """The last facts that the caller may see; use it in a snapshot.

    `births` are all namespaces, `seen` those whose facts are wanted, None for every fact.
    """

    def may_see(fact: RecordedFact) -> bool:
        return reader.may_see_fact(fact.type, fact.data, fact.at, births)

    facts, is_cut = await list_recent_facts(
        connection,
        seen,
        may_see,
        namespace=scope.namespace,
        stream=scope.stream,
        look_back=_LOOK_BACK,
        limit=limit,
    )
    lines = [describe_fact(fact.position, fact.type, fact.at, fact.data) for fact in facts]
    return Feed(lines, scope, await load_head(connection), _LOOK_BACK if is_cut else 0)


async def on_events(deps: PageDeps, visit: Visit) -> Answer:
    """The last events, of everything, a namespace or a stream."""
    scope = parse_scope(visit)
    async with deps.database.snapshot() as connection:
        births = await load_namespace_births(connection)
        seen = await visit.reader.seen_namespaces(births)
        feed = await load_lines(connection, visit.reader, births, seen, scope, _EVENTS)
    return deps.show(visit, "events.html", {"feed": feed, "most": _EVENTS})


def parse_scope(visit: Visit) -> Scope:
    """What the query of a page or of a live feed names."""
    names = (visit.query.get(name, "").replace("\0", "")[:253] for name in ("namespace", "stream"))
    return Scope(*names)
