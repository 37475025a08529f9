"""What one write changed in a stream, small and reversible.

The journal stores deltas, not whole streams: a stream of fifty thousand tags would otherwise be
written again each time one of them moves. A delta holds both sides of what it touches, so a watch
can fold it forwards onto an older stream or backwards from a newer one.

`diff` compares two values *loaded with the same tags*; what was not loaded is not in the delta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from tagstream.streams.image_stream import (
    ImageStream,
    StreamMetadata,
    TagEvent,
    TagEventCondition,
    TagHistory,
    TagReference,
)

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """Everything of a stream that is not a tag."""

    generation: int
    metadata: StreamMetadata
    lookup_local: bool
    docker_image_repository: str


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """What happened to one tag's stack: `removed` from its top, then `added` on top of the rest.

    Both newest first. Conditions are replaced whole.
    """

    removed: tuple[TagEvent, ...]
    added: tuple[TagEvent, ...]
    conditions_before: tuple[TagEventCondition, ...]
    conditions_after: tuple[TagEventCondition, ...]

    def inverted(self) -> HistoryChange:
        return HistoryChange(
            self.added, self.removed, self.conditions_after, self.conditions_before
        )


@dataclass(frozen=True, slots=True)
class SpecChange:
    """A tag reference before and after; None where there was or is none."""

    before: TagReference | None
    after: TagReference | None

    def inverted(self) -> SpecChange:
        return SpecChange(self.after, self.before)


@dataclass(frozen=True, slots=True)
class StreamDelta:
    """The difference between two values of one stream. Truthy when there is one."""

    header_before: StreamHeader
    header_after: StreamHeader
    spec: Mapping[str, SpecChange]
    status: Mapping[str, HistoryChange]

    def __bool__(self) -> bool:
        return self.header_before != self.header_after or bool(self.spec or self.status)

    def inverted(self) -> StreamDelta:
        """The delta that undoes this one."""
        return StreamDelta(
            self.header_after,
            self.header_before,
            {tag: change.inverted() for tag, change in self.spec.items()},
            {tag: change.inverted() for tag, change in self.status.items()},
        )


def header_of(stream: ImageStream) -> StreamHeader:
    return StreamHeader(
        stream.generation, stream.metadata, stream.lookup_local, stream.docker_image_repository
    )


def diff(before: ImageStream, after: ImageStream) -> StreamDelta:
    """What changed from `before` to `after`; falsy when nothing did."""
    spec = {
        tag: SpecChange(before.spec_tags.get(tag), after.spec_tags.get(tag))
        for tag in _changed_keys(before.spec_tags, after.spec_tags)
    }
    status = {
        tag: _history_change(before.history(tag), after.history(tag))
        for tag in _changed_keys(before.status_tags, after.status_tags)
    }
    return StreamDelta(header_of(before), header_of(after), spec, status)


def apply(stream: ImageStream, delta: StreamDelta) -> ImageStream:
    """The stream after `delta`. `version` is the caller's to set."""
    spec_tags = dict(stream.spec_tags)
    for tag, change in delta.spec.items():
        if change.after is None:
            spec_tags.pop(tag, None)
        else:
            spec_tags[tag] = change.after
    status_tags = dict(stream.status_tags)
    for tag, moved in delta.status.items():
        history = apply_to_history(stream.history(tag), moved)
        if history.is_blank:
            status_tags.pop(tag, None)
        else:
            status_tags[tag] = history
    header = delta.header_after
    return replace(
        stream,
        generation=header.generation,
        metadata=header.metadata,
        lookup_local=header.lookup_local,
        docker_image_repository=header.docker_image_repository,
        spec_tags=MappingProxyType(spec_tags),
        status_tags=MappingProxyType(status_tags),
    )


def apply_to_history(history: TagHistory, change: HistoryChange) -> TagHistory:
    kept = history.items[len(change.removed) :]
    return TagHistory(history.tag, (*change.added, *kept), change.conditions_after)


def _changed_keys(before: Mapping[str, V], after: Mapping[str, V]) -> list[str]:
    keys = before.keys() | after.keys()
    return sorted(k for k in keys if before.get(k) != after.get(k))


def _history_change(before: TagHistory, after: TagHistory) -> HistoryChange:
    common = 0
    shortest = min(len(before.items), len(after.items))
    while common < shortest and before.items[-1 - common] == after.items[-1 - common]:
        common += 1
    return HistoryChange(
        removed=before.items[: len(before.items) - common],
        added=after.items[: len(after.items) - common],
        conditions_before=before.conditions,
        conditions_after=after.conditions,
    )
