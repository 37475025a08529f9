"""What `tagstream history` says: lines for a person, JSON for a script. Pure.

Times are UTC, absolute beside relative; digests are shortened in the table and whole elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches

from tagstream.api.wire.table import human_ago
from tagstream.cli.event_text import printable, short_spec
from tagstream.store.tag_history import Meaning, TagTimeline
from tagstream.store.tag_moves import Departure, HistoryItem, Move

_NOTHING = "(nothing)"
_MOST_NAMES = 8
_HEADINGS = ("WHEN", "UTC", "FROM", "", "TO", "HOW", "WHO (WHY)")


def history_lines(found: TagTimeline, now: datetime) -> list[str]:
    """A sentence, a table with the newest move on top, and what there is to say besides."""
    rows = [_row(move, now) for move in found.moves]
    widths = [max(len(row[n]) for row in (_HEADINGS, *rows)) for n in range(len(_HEADINGS) - 1)]
    marks = ["*" if found.current is not None and n == 0 else " " for n in range(len(rows))]
    table = [
        f"{mark} {_aligned(row, widths)}"
        for mark, row in zip((" ", *marks), (_HEADINGS, *rows), strict=True)
    ]
    return [printable(line) for line in [_headline(found), "", *table, *_footnotes(found)]]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
    return "  ".join([*cells, *row[len(widths) :]]).rstrip()


def _headline(found: TagTimeline) -> str:
    place = f"{found.namespace}/{found.stream}:{found.tag}"
    if found.current is not None:
        return f"{place} means {found.current.meaning}"
    why = "it is deleted" if found.stream_exists else "its stream is deleted"
    return f"{place} means nothing: {why}"


def _row(move: Move, now: datetime) -> tuple[str, ...]:
    old, new = _ends(move)
    how = f"{move.kind}{_left(move, now)}"
    who = _who(move.actor, move.cause)
    return (human_ago(now - move.at), _clock(move), old, "->", new, how, who)


def _left(move: Move, now: datetime) -> str:
    """What no other row says: that what the move brought is gone, though nothing replaced it."""
    act = move.new.retired if move.new is not None else None
    if act is None or move.departure not in (Departure.PRUNED, Departure.REMOVED):
        return ""
    return f", {move.departure} {human_ago(now - act.at)}"


def _ends(move: Move) -> tuple[str, str]:
    """Digests, or pull specs where these alone differ."""
    old, new = move.old, move.new
    if old is not None and new is not None and old.image == new.image:
        return short_spec(old.reference), short_spec(new.reference)
    return _short(old), _short(new)


def _short(item: HistoryItem | None) -> str:
    return short_spec(item.meaning) if item is not None else _NOTHING


def _clock(move: Move) -> str:
    return f"{move.at:%Y-%m-%d %H:%M:%S}"


def _who(actor: str, cause: str) -> str:
    return f"{actor} ({cause})" if cause else actor


def _footnotes(found: TagTimeline) -> list[str]:
    notes = []
    if found.older is not None:
        notes.append(f"Older moves are not shown; --limit {2 * len(found.moves)} shows more.")
    if found.earlier_streams == 1 and found.stream_exists:
        notes.append("An earlier stream of this name was deleted; its moves are shown, too.")
    elif found.earlier_streams and found.stream_exists:
        streams = f"{found.earlier_streams} earlier streams of this name"
        notes.append(f"{streams} were deleted; their moves are shown, too.")
    return ["", *notes] if notes else []


def meaning_lines(
    place: tuple[str, str, str], found: Meaning, moment: datetime, now: datetime
) -> list[str]:
    """What the tag meant, where to pull that, since when, until when, and who did it."""
    name, since, until = _name(place), found.since, found.until
    asked = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if since is None:
        first = f": its first image came {_told(until, now)}" if until is not None else ""
        return [printable(f"{name} meant nothing at {asked}{first}")]
    if since.new is None:
        lines = [f"{name} meant nothing at {asked}: {since.kind} {_told(since, now)}"]
    else:
        lines = [
            f"{name} meant {since.new.meaning} at {asked}",
            f"  pull   {since.new.reference}",
            f"  since  {_told(since, now)}",
        ]
    lines.append(f"  until  {_told(until, now)}" if until is not None else "  until  now")
    return [printable(line) for line in lines]


def _told(move: Move, now: datetime) -> str:
    ago, who = human_ago(now - move.at), _who(move.actor, move.cause)
    return f"{_clock(move)} UTC ({ago}) by {who}"


def _name(place: tuple[str, str, str]) -> str:
    namespace, stream, tag = place
    return f"{namespace}/{stream}:{tag}"


def unknown_line(
    namespace: str, stream: str, tag: str, streams: Sequence[str], tags: Sequence[str]
) -> str:
    """What to ask for instead of a tag that has no history."""
    if not streams:
        return f"there is no image stream in namespace {namespace}, and was none"
    if stream not in streams:
        head = f"there is no image stream {namespace}/{stream}, and was none"
        return f"{head}; {_offer('streams there', stream, streams)}"
    if tag in tags:
        return f"{namespace}/{stream}:{tag} has never had an image; see its import's condition"
    if not tags:
        return f"{namespace}/{stream} has no tags, and had none"
    return f"{namespace}/{stream} has no tag {tag}, and had none; {_offer('its tags', tag, tags)}"


def _offer(what: str, wanted: str, names: Sequence[str]) -> str:
    close = get_close_matches(wanted, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{what}: {', '.join(names[:_MOST_NAMES])}{more}"


def history_json(found: TagTimeline) -> dict[str, object]:
    """The page as an object; moves newest first."""
    return {
        "namespace": found.namespace,
        "stream": found.stream,
        "tag": found.tag,
        "streamExists": found.stream_exists,
        "earlierStreams": found.earlier_streams,
        "current": _item_json(found.current),
        "moves": [move_json(move) for move in found.moves],
        "hasOlder": found.older is not None,
    }


def meaning_json(
    place: tuple[str, str, str], found: Meaning, moment: datetime
) -> dict[str, object]:
    """What the tag meant (null: nothing), and the moves before and after that moment."""
    namespace, stream, tag = place
    return {
        "namespace": namespace,
        "stream": stream,
        "tag": tag,
        "at": moment.isoformat(),
        "meant": _item_json(found.since.new if found.since is not None else None),
        "since": move_json(found.since) if found.since is not None else None,
        "until": move_json(found.until) if found.until is not None else None,
    }


def move_json(move: Move) -> dict[str, object]:
    """One move, with who and why, and what became of the item that it brought."""
    return {
        "kind": str(move.kind),
        "at": move.at.isoformat(),
        "actor": move.actor,
        "cause": move.cause,
        "command": move.command,
        "from": _item_json(move.old),
        "to": _item_json(move.new),
        "departure": _departure_json(move),
    }


def _departure_json(move: Move) -> dict[str, object] | None:
    if move.departure is None or move.new is None or move.new.retired is None:
        return None
    act = move.new.retired
    return {
        "reason": str(move.departure),
        "at": act.at.isoformat(),
        "actor": act.actor,
        "cause": act.cause,
        "command": act.command,
    }


def _item_json(item: HistoryItem | None) -> dict[str, object] | None:
    if item is None:
        return None
    return {
        "image": item.image,
        "reference": item.reference,
        "created": item.created.isoformat(),
        "generation": item.generation,
        "seq": item.seq,
        "streamUid": item.stream,
    }
