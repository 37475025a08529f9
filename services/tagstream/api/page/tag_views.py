"""What the pages say of a tag: its source, whether its followers are up to date, its moves. Pure.

Owns the words and the choice of what is shown; no escaping, which is the templates'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tagstream.api.page.addresses import tag_path
from tagstream.api.page.fact_lines import Tone, short_digest
from tagstream.api.page.import_words import Explanation, explain_failure
from tagstream.store.page_reads import TagSummary
from tagstream.store.tag_followers import TagFollower
from tagstream.store.tag_moves import Departure, HistoryItem, Move, MoveKind
from tagstream.streams.image_stream import SourceKind, TagEventCondition, TagReference
from tagstream.streams.sources import BadSource, parse_source


@dataclass(frozen=True, slots=True)
class SourceView:
    """Where a tag's image comes from. `path` leads to the tag that is followed, if there is one."""

    words: str
    name: str
    path: str
    scheduled: bool
    insecure: bool


@dataclass(frozen=True, slots=True)
class TagRow:
    """A line of a stream's table."""

    tag: str
    source: SourceView
    digest: str
    pull_spec: str
    since: datetime | None
    condition: TagEventCondition | None
    failure: Explanation | None


def view_tag(namespace: str, stream: str, summary: TagSummary) -> TagRow:
    """One tag as it is now."""
    head, condition = summary.head, summary.condition
    failing = condition if condition is not None and condition.status == "False" else None
    return TagRow(
        summary.tag,
        view_source(namespace, stream, summary.reference),
        head.image if head else "",
        head.docker_image_reference if head else "",
        head.created if head else None,
        failing,
        explain_failure(failing.reason, failing.message) if failing else None,
    )


def view_source(namespace: str, stream: str, reference: TagReference | None) -> SourceView:
    """The source in words."""
    if reference is None or reference.source is None:
        return SourceView("set by push or by hand", "", "", False, False)
    source, policy = reference.source, reference.import_policy
    name, words, path = source.name, "", ""
    if source.kind == SourceKind.DOCKER_IMAGE:
        words = "refers to" if reference.reference else "imported from"
    elif source.kind == SourceKind.IMAGE_STREAM_TAG:
        words, path = "follows", _source_path(namespace, stream, reference)
    elif source.kind == SourceKind.IMAGE_STREAM_IMAGE:
        words, name = "pinned to", short_digest(name)
    if source.namespace and source.namespace != namespace:
        name = f"{source.namespace}/{name}"
    importable = reference.is_importable
    return SourceView(
        words, name, path, importable and policy.scheduled, importable and policy.insecure
    )


def _source_path(namespace: str, stream: str, reference: TagReference) -> str:
    assert reference.source is not None
    try:
        query = parse_source(reference.source, namespace, stream)
    except BadSource:
        return ""
    return tag_path(query.namespace, query.stream, query.key)


@dataclass(frozen=True, slots=True)
class FollowerView:
    """One container of a workload and whether it has what the tag means."""

    workload: str
    namespace: str
    container: str
    image: str
    state: str
    tone: Tone


def view_followers(
    followers: Iterable[TagFollower], wanted: str, pauses: frozenset[str]
) -> list[FollowerView]:
    """Followers that the caller may see. `wanted` is the tag's pull spec, empty without one."""
    views = []
    for one in followers:
        state, tone = _state(one, wanted, pauses)
        views.append(
            FollowerView(
                f"{one.kind} {one.name}",
                one.namespace,
                one.container or one.field_path,
                one.image,
                state,
                tone,
            )
        )
    return views


def _state(one: TagFollower, wanted: str, pauses: frozenset[str]) -> tuple[str, Tone]:
    if not one.container:
        return "names a container that does not exist", Tone.BAD
    if wanted and one.image == wanted:
        return "up to date", Tone.GOOD
    if one.paused or "all" in pauses or f"namespace.{one.namespace}" in pauses:
        return "paused, behind" if wanted else "paused", Tone.QUIET
    if not wanted:
        return "waits for the tag's first image", Tone.QUIET
    if one.failures:
        again = "tried again soon" if one.retry_at else "given up until something changes"
        return f"behind: {one.failures} failed patches, {again}", Tone.BAD
    return "behind: being updated", Tone.QUIET


@dataclass(frozen=True, slots=True)
class MoveView:
    """A step of the timeline. `command` rolls back to what it brought, empty where that makes no
    sense."""

    words: str
    tone: Tone
    at: datetime
    actor: str
    cause: str
    old: str
    new: str
    note: str
    is_current: bool
    command: str


_MOVE_WORDS = {
    MoveKind.SET: ("First image", Tone.GOOD),
    MoveKind.MOVED: ("Moved", Tone.GOOD),
    MoveKind.BACK: ("Rolled back", Tone.GOOD),
    MoveKind.CORRECTED: ("Corrected in place", Tone.QUIET),
    MoveKind.UNCOVERED: ("Fell back to an older image", Tone.QUIET),
    MoveKind.PRUNED: ("Pruned", Tone.QUIET),
    MoveKind.TAG_DELETED: ("Tag deleted", Tone.BAD),
    MoveKind.STREAM_DELETED: ("Stream deleted", Tone.BAD),
    MoveKind.REMOVED: ("Taken out of the status", Tone.BAD),
}
_NOTES = {
    Departure.PRUNED: "pruned since",
    Departure.TAG_DELETED: "deleted with the tag since",
    Departure.STREAM_DELETED: "deleted with the stream since",
    Departure.REMOVED: "no longer in the stream's status",
}


def view_moves(
    namespace: str, stream: str, tag: str, moves: Sequence[Move], current: HistoryItem | None
) -> list[MoveView]:
    """The timeline, in the order of `moves`. Only the newest move can be the current one."""
    views = []
    for number, move in enumerate(moves):
        words, tone = _MOVE_WORDS[move.kind]
        is_current = number == 0 and current is not None and move.new is not None
        views.append(
            MoveView(
                words,
                tone,
                move.at,
                move.actor,
                move.cause,
                _meaning(move.old),
                _meaning(move.new),
                _NOTES.get(move.departure, "") if move.departure is not None else "",
                is_current,
                _roll_back(namespace, stream, tag, move, current),
            )
        )
    return views


def _meaning(item: HistoryItem | None) -> str:
    return item.meaning if item is not None else ""


def _roll_back(
    namespace: str, stream: str, tag: str, move: Move, current: HistoryItem | None
) -> str:
    """`oc tag` finds an image by what is in the stream's history: nothing that has left it."""
    item = move.new
    if item is None or not item.image or move.departure is not None:
        return ""
    if current is not None and item.image == current.image:
        return ""
    place = f"{namespace}/{stream}"
    return f"oc tag {place}@{item.image} {place}:{tag}"
