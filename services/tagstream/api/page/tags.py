"""One tag: what it means, who follows it, and how it came to mean that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.engine.call import Answer
from tagstream.api.page.addresses import tag_path, with_query
from tagstream.api.page.streams import miss_stream, refuse_stream
from tagstream.api.page.tag_views import MoveView, view_followers, view_moves, view_tag
from tagstream.api.page.visit import PageDeps, Visit
from tagstream.store.database import Connection
from tagstream.store.page_reads import TagSummary, load_namespace_births, load_tag_summary
from tagstream.store.streams import load_header, resolve_tag
from tagstream.store.tag_followers import TagFollower, list_tag_followers
from tagstream.store.tag_history import Cursor, TagTimeline, load_tag_history
from tagstream.store.tag_moves import Move
from tagstream.store.workload_triggers import load_trigger_pauses
from tagstream.streams.image_stream import ImageStream

_MOVES_PER_PAGE = 30
_MOST_FOLLOWERS = 500
_LOOK_AT = 10_000


@dataclass(frozen=True, slots=True)
class _Place:
    namespace: str
    stream: str
    tag: str


async def on_tag(deps: PageDeps, visit: Visit, namespace: str, name: str, tag: str) -> Answer:
    """The tag's page. A tag that was deleted still has its history."""
    if not visit.reader.may_get_stream(namespace, name):
        return refuse_stream(deps, visit, namespace, name)
    place = _Place(namespace, name, tag)
    async with deps.database.snapshot() as connection:
        stream = await load_header(connection, namespace, name)
        if stream is None:
            return miss_stream(deps, visit, namespace, name)
        summary = await load_tag_summary(connection, stream.uid, tag)
        timeline = await load_tag_history(
            connection, namespace, name, tag, limit=_MOVES_PER_PAGE, before=_cursor(visit.query)
        )
        births = await load_namespace_births(connection, namespace)
        followers, are_more = await _load_followers(connection, visit, place)
        wanted = await resolve_tag(connection, namespace, name, tag, deps.names.internal)
        pauses = await load_trigger_pauses(connection)
    own = _own_moves(timeline, stream, births.get(namespace))
    if summary is None and not own:
        sentence = f"The image stream {namespace}/{name} has no tag {tag}."
        return deps.refuse(visit, 404, "Not found", sentence)
    values = {
        "stream": stream,
        "tag": view_tag(namespace, name, summary or TagSummary(tag, None, None, None)),
        "exists": summary is not None,
        "pull_spec": wanted or "",
        "followers": view_followers(followers, wanted or "", pauses),
        "are_more_followers": are_more,
        **_history(visit, place, timeline, own),
    }
    return deps.show(visit, "tag.html", values)


def _own_moves(
    timeline: TagTimeline | None, stream: ImageStream, birth: datetime | None
) -> Sequence[Move]:
    """Without those of a stream in an earlier namespace of the same name: somebody else's."""
    if timeline is None:
        return ()
    return [
        move
        for move in timeline.moves
        if move.item.stream == stream.uid or (birth is not None and move.at >= birth)
    ]


def _history(
    visit: Visit, place: _Place, timeline: TagTimeline | None, own: Sequence[Move]
) -> Mapping[str, object]:
    is_first = "before" not in visit.query
    current = timeline.current if timeline is not None and is_first else None
    names = (place.namespace, place.stream, place.tag)
    moves: list[MoveView] = view_moves(*names, own, current)
    older = timeline.older if timeline is not None and own else None
    address = tag_path(*names)
    return {
        "moves": moves,
        "is_first": is_first,
        "newest_path": address,
        "older_path": with_query(address, {"before": f"{older.stream}.{older.seq}"})
        if older is not None
        else "",
    }


def _cursor(query: Mapping[str, str]) -> Cursor | None:
    stream, _, seq = query.get("before", "").rpartition(".")
    is_number = seq.isascii() and seq.isdigit() and len(seq) < 19
    return Cursor(stream, int(seq)) if stream and is_number else None


async def _load_followers(
    connection: Connection, visit: Visit, place: _Place
) -> tuple[list[TagFollower], bool]:
    """Workloads that the caller may get, the others not even counted; whether there may be more."""

    def may_see(one: TagFollower) -> bool:
        return visit.reader.may_get_workload(one.api_version, one.kind, one.namespace, one.name)

    return await list_tag_followers(
        connection,
        place.namespace,
        place.stream,
        place.tag,
        may_see,
        look_at=_LOOK_AT,
        limit=_MOST_FOLLOWERS,
    )
