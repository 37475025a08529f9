"""The file of a recording: JSON lines, sealed at its end.

    header   format, version, first and last position, what the decisions were configured with
    base     what was there before: streams, images, open imports
    entry    one command with its changes, facts and jobs, in commit order
    rows     what is there after: the rows of each stream that was touched, images, open imports
    end      how many entries, and the SHA-256 of everything before

Owns the lines and whether they are whole, readable and unchanged; not what they mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from tagstream.errors import InvalidInput
from tagstream.streams.json_form import parse_time

FORMAT = "tagstream-recording"
VERSION = 1

Json = Mapping[str, Any]


class BadRecording(InvalidInput):
    """The file is not a whole, unchanged recording that this release can read."""

    def __init__(self, message: str) -> None:
        super().__init__("recording", message)


@dataclass(frozen=True, slots=True)
class Header:
    """`first` and `last`: the positions that the entries lie between, both included."""

    first: int
    last: int
    recorded_at: str

    def to_json(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "first": self.first,
            "last": self.last,
            "recordedAt": self.recorded_at,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One command as it was committed. Changes of kinds that are only kept carry no body but its
    SHA-256: they are inputs, and may be somebody's secret."""

    id: str
    position: int
    at: datetime
    kind: str
    actor: str
    cause: str
    arguments: Json
    changes: Sequence[Json]
    facts: Sequence[Json]
    jobs: Sequence[Json]

    @property
    def first_position(self) -> int:
        """Each change has a position of its own; a command without one takes one all the same."""
        return self.position - max(len(self.changes), 1) + 1

    def to_json(self) -> dict[str, object]:
        return {
            "command": {
                "id": self.id,
                "position": self.position,
                "at": self.at.isoformat(),
                "kind": self.kind,
                "actor": self.actor,
                "cause": self.cause,
                "arguments": self.arguments,
            },
            "changes": self.changes,
            "facts": self.facts,
            "jobs": self.jobs,
        }

    @classmethod
    def from_json(cls, line: Json) -> Entry:
        command = {**line["command"]}
        command["at"] = parse_time(command["at"])
        return cls(**command, changes=line["changes"], facts=line["facts"], jobs=line["jobs"])


@dataclass(frozen=True, slots=True)
class Line:
    """A line between header and end; `kind` is "base", "command" or "rows"."""

    kind: str
    body: Json


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no blanks: equal values give equal bytes."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def write_lines(header: Header, lines: Iterable[Json]) -> Iterator[bytes]:
    """The whole file, line by line, each with its newline."""
    sealer = Sealer()
    yield sealer.seal(header.to_json())
    for line in lines:
        yield sealer.seal(line)
    yield sealer.end()


class Sealer:
    """Encodes lines and keeps the hash that the last one seals them with."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._entries = 0

    def seal(self, line: Json) -> bytes:
        encoded = canonical(line) + b"\n"
        self.add(encoded, is_entry="command" in line)
        return encoded

    def add(self, encoded: bytes, *, is_entry: bool) -> None:
        """Takes a line that is encoded already."""
        self._hash.update(encoded)
        self._entries += is_entry

    def end(self) -> bytes:
        body = {"entries": self._entries, "sha256": self._hash.hexdigest()}
        return canonical({"end": body}) + b"\n"


def read_header(first_line: bytes) -> Header:
    """Raises BadRecording for anything that is not the start of a readable recording."""
    body = _parse(first_line, 1)
    if body.get("format") != FORMAT:
        raise BadRecording("this is not a recording: its first line does not say so")
    version = body.get("version")
    if version != VERSION:
        raise BadRecording(
            f"it has version {version} and this release reads version {VERSION}: "
            "replay it with the release that recorded it, or a newer one"
        )
    try:
        return Header(int(body["first"]), int(body["last"]), str(body["recordedAt"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadRecording(f"line 1: the header lacks or misspells {error}") from error


def check_seal(lines: Iterable[bytes]) -> Header:
    """Reads a whole file, so that what is played afterwards is what was recorded. Raises
    BadRecording when it is cut off, changed, or of another version."""
    header: Header | None = None
    seal = Sealer()
    for number, line in enumerate(lines, start=1):
        if header is None:
            header = read_header(line)
        body = _parse(line, number)
        if "end" in body:
            if line != seal.end():
                raise BadRecording(
                    "it was changed after it was recorded: its contents do not match the seal of "
                    "its last line"
                )
            return header
        seal.add(line, is_entry="command" in body)
    raise BadRecording("it is cut off: its last line, which seals it, is missing")


def read_lines(lines: Iterable[bytes]) -> Iterator[Line]:
    """What lies between header and end of a file whose seal was checked."""
    for number, line in enumerate(lines, start=1):
        body = _parse(line, number)
        if "end" in body:
            return
        if number > 1:
            yield _read_line(body, number)


def _read_line(body: Json, number: int) -> Line:
    for kind in ("command", "base", "rows"):
        if kind in body:
            return Line(kind, body)
    raise BadRecording(f"line {number} is none of base, command, rows and end")


def _parse(line: bytes, number: int) -> Json:
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if not line.endswith(b"\n"):
            raise BadRecording(f"it is cut off in line {number}") from error
        raise BadRecording(f"line {number} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRecording(f"line {number} is not an object")
    return body
