"""Plays a recording: applies its commands in commit order and compares all that comes out.

Stops at the first difference, which is the one that has a cause; what follows from it would hide
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tagstream.errors import InvalidInput
from tagstream.events.message import Message
from tagstream.events.stamping import FIRST_FACT, FIRST_JOB, stamp
from tagstream.images.image_object import GROUP
from tagstream.replay import import_appliers, other_appliers, stream_appliers
from tagstream.replay.act import IMAGES, STREAMS, Act, Applier, NotReplayable
from tagstream.replay.base import add_base
from tagstream.replay.recording import Entry, Json, Line, canonical
from tagstream.replay.rows import image_row, import_rows, stream_rows
from tagstream.replay.world import World
from tagstream.streams.problems import InvalidStream

APPLIERS: Mapping[str, Applier] = {
    **stream_appliers.APPLIERS,
    **import_appliers.APPLIERS,
    **other_appliers.APPLIERS,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay left the recording. `what` names the first thing that differs; `entry` is
    None when only the rows at the end do. `recorded` or `replayed` is None where one of them has
    nothing."""

    what: str
    entry: Entry | None
    recorded: object
    replayed: object


@dataclass(frozen=True, slots=True)
class Summary:
    """What was compared without a difference."""

    commands: int = 0
    changes: int = 0
    facts: int = 0
    jobs: int = 0
    streams: int = 0
    rows: int = 0


class Player:
    """A replay under way. `summary` counts what held so far."""

    def __init__(self) -> None:
        self.world = World()
        self._counts = dict.fromkeys(("commands", "changes", "facts", "jobs", "streams", "rows"), 0)

    @property
    def summary(self) -> Summary:
        return Summary(**self._counts)

    def play(self, lines: Iterable[Line]) -> Difference | None:
        """The first difference; None when there is none. The lines must be sealed (see
        `check_seal`)."""
        for line in lines:
            difference = self._play_line(line)
            if difference is not None:
                return difference
        return None

    def _play_line(self, line: Line) -> Difference | None:
        if line.kind == "base":
            add_base(self.world, line.body)
            return None
        if line.kind == "rows":
            return self._compare_rows(line.body)
        return self._play_entry(Entry.from_json(line.body))

    def _play_entry(self, entry: Entry) -> Difference | None:
        act = Act(self.world, entry)
        applier = APPLIERS.get(entry.kind)
        if applier is not None:
            try:
                applier(act)
            except (NotReplayable, InvalidStream) as error:
                return Difference("the command itself", entry, "committed", f"refused: {error}")
            except KeyError as error:
                return Difference("the command itself", entry, "committed", f"lacks {error}")
            except (InvalidInput, AttributeError, IndexError, TypeError, ValueError) as error:
                refused = f"cannot be applied: {type(error).__name__}: {error}"
                return Difference("the command itself", entry, "committed", refused)
        difference = _compare_changes(act)
        if difference is None and applier is not None:
            difference = _compare_messages(act)
        self._counts["commands"] += 1
        self._counts["changes"] += len(act.changes)
        self._counts["facts"] += len(act.facts)
        self._counts["jobs"] += len(act.jobs)
        return difference

    def _compare_rows(self, body: Json) -> Difference | None:
        if body["rows"] == "stream":
            return self._compare_stream(body)
        if body["rows"] == "imports":
            replayed = import_rows(self.world.imports.values())
            return self._compare("open imports", body["imports"], replayed)
        held = self.world.images
        images = [image_row(digest, held.get(digest)) for digest, *_ in body["images"]]
        return self._compare("images", body["images"], images)

    def _compare_stream(self, body: Json) -> Difference | None:
        replayed = stream_rows(self.world, body["uid"]).to_json()
        self._counts["streams"] += 1
        for table in ("stream", "spec_tags", "tag_items", "tag_conditions"):
            name = f"rows of {table}, stream {body['uid']}"
            difference = self._compare(name, body[table], replayed[table])
            if difference is not None:
                return difference
        return None

    def _compare(self, what: str, recorded: Any, replayed: Any) -> Difference | None:
        self._counts["rows"] += len(recorded or ())
        if canonical(recorded) == canonical(replayed):
            return None
        return Difference(what, None, recorded, replayed)


def _compare_changes(act: Act) -> Difference | None:
    """Compares the changes of what is ours, and tells the objects their positions."""
    entry = act.entry
    recorded = [(n, c) for n, c in enumerate(entry.changes) if _is_ours(c)]
    derived = [change.body for change in act.changes]
    difference = _first_difference(
        entry, [c for _, c in recorded], derived, lambda c: f"{c['type']} of {_name(c)}"
    )
    if difference is not None:
        return difference
    for (number, _), change in zip(recorded, act.changes, strict=True):
        change.stamp(entry.first_position + number)
    return None


def _is_ours(change: Json) -> bool:
    return change["group"] == GROUP and change["resource"] in (STREAMS, IMAGES)


def _name(change: Json) -> str:
    place = f"{change['namespace']}/{change['name']}" if change["namespace"] else change["name"]
    return f"{change['resource'].removesuffix('s')} {place}"


def _compare_messages(act: Act) -> Difference | None:
    entry = act.entry
    facts = _rows(entry, act.facts, FIRST_FACT, position=str(entry.position))
    jobs = _rows(entry, act.jobs, FIRST_JOB, position=None)
    return _first_difference(entry, entry.facts, facts, _about) or _first_difference(
        entry, entry.jobs, jobs, _about
    )


def _rows(
    entry: Entry, messages: Sequence[Message], first: int, *, position: str | None
) -> list[dict[str, object]]:
    stamped = {} if position is None else {"position": position}
    return [
        {"id": one.id, "type": one.type, "subject": one.subject, "data": {**one.data, **stamped}}
        for one in stamp(entry, messages, first)
    ]


def _about(message: Json) -> str:
    data = message["data"]
    about = f"{data.get('namespace', '')}/{data.get('stream', '')}"
    return (
        f"{message['type']} of {about}:{data['tag']}"
        if "tag" in data
        else f"{message['type']} of {about}"
    )


def _first_difference(
    entry: Entry,
    recorded: Sequence[Json],
    replayed: Sequence[Mapping[str, object]],
    name: Callable[[Json], str],
) -> Difference | None:
    for number in range(max(len(recorded), len(replayed))):
        one = recorded[number] if number < len(recorded) else None
        other = replayed[number] if number < len(replayed) else None
        if one is None or other is None or canonical(one) != canonical(other):
            what = name(cast(Json, one if one is not None else other))
            return Difference(what, entry, one, other)
    return None
