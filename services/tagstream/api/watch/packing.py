"""An image stream with its tags already encoded.

Encoding twenty thousand tags takes the event loop away from everybody for a third of a second, and
a change moves one of them. So each tag's JSON is kept beside the stream, and made again only for
the tags of a delta.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import orjson

from tagstream.api.images.convert import RegistryNames, history_to_wire, stream_around_tags
from tagstream.api.watch.events import WatchEvent, WatchType
from tagstream.streams.delta import StreamDelta, apply
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import reference_to_json

# How many tags are encoded before others may run.
_ENCODED_AT_ONCE = 500

T = TypeVar("T")


class PackedStream:
    """`stream` is only ever replaced by one with the same tags; `move` changes tags.

    `weight` is what the stream costs to keep: its tags and history items.
    """

    __slots__ = ("_spec", "_status", "stream", "weight")

    def __init__(self, stream: ImageStream) -> None:
        self.stream = stream
        self.weight = 1
        # In the order of the tags' names, as on the wire.
        self._spec: dict[str, orjson.Fragment] = {}
        self._status: dict[str, orjson.Fragment] = {}

    @classmethod
    async def of(cls, stream: ImageStream) -> PackedStream:
        packed = cls(stream)
        tags = sorted(stream.spec_tags.keys() | stream.status_tags.keys())
        for first in range(0, len(tags), _ENCODED_AT_ONCE):
            some = tags[first : first + _ENCODED_AT_ONCE]
            packed._encode_spec(some)
            packed._encode_status(some)
            packed.weight += _weight(stream, some, some)
            await asyncio.sleep(0)
        return packed

    def move(self, delta: StreamDelta, version: int) -> None:
        """Applies `delta`. Relies on it to name every tag that `apply` changes."""
        before = self.stream
        self.stream = replace(apply(before, delta), version=version)
        self._encode_spec(delta.spec)
        self._encode_status(delta.status)
        self.weight += _weight(self.stream, delta.spec, delta.status)
        self.weight -= _weight(before, delta.spec, delta.status)

    def event(self, event_type: WatchType, names: RegistryNames) -> WatchEvent:
        """The change that led to this version."""
        spec, status = list(self._spec.values()), list(self._status.values())
        body = stream_around_tags(self.stream, names, spec, status)
        return WatchEvent.packed(self.stream.version, event_type, body)

    def _encode_spec(self, tags: Iterable[str]) -> None:
        self._spec = _encoded(self._spec, self.stream.spec_tags, tags, reference_to_json)

    def _encode_status(self, tags: Iterable[str]) -> None:
        self._status = _encoded(self._status, self.stream.status_tags, tags, history_to_wire)


def _encoded(
    parts: dict[str, orjson.Fragment],
    values: Mapping[str, T],
    tags: Iterable[str],
    to_json: Callable[[T], object],
) -> dict[str, orjson.Fragment]:
    """`parts` with those of `tags` made again from `values`; may be the same dict."""
    last = next(reversed(parts), "")
    in_order = True
    for tag in tags:
        value = values.get(tag)
        if value is None:
            parts.pop(tag, None)
            continue
        if tag not in parts:
            in_order = in_order and last <= tag
            last = tag
        parts[tag] = orjson.Fragment(_trimmed(orjson.dumps(to_json(value))))
    return parts if in_order else {tag: parts[tag] for tag in sorted(parts)}


def _trimmed(encoded: bytes) -> bytes:
    """A copy: what orjson returns holds on to its whole buffer, 4 KiB for a tag of 300 bytes."""
    return bytes(memoryview(encoded))


def _weight(stream: ImageStream, spec: Iterable[str], status: Iterable[str]) -> int:
    tags = sum(tag in stream.spec_tags for tag in spec)
    return tags + sum(len(stream.history(tag).items) for tag in status)
