"""What a command does to one image stream: decided the same for a first write and for its replay.

A caller that writes for the first time knows what is wanted from a request; a replay knows it from
the command's arguments, which hold the wish as a delta. From there on both go through here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from tagstream.streams.delta import apply, diff
from tagstream.streams.image_stream import (
    ImageStream,
    StreamMetadata,
    TagEvent,
)
from tagstream.streams.json_form import AnyJson, Json, delta_from_json, delta_to_json
from tagstream.streams.schedule_warning import (
    find_schedule_warning,
    with_schedule_annotation,
    without_outdated_warning,
)
from tagstream.streams.sources import Sources
from tagstream.streams.spec_write import decide_create, decide_update
from tagstream.streams.status_write import decide_mapping


@dataclass(frozen=True, slots=True)
class Written:
    """The stream as it is to be stored, and what whoever wrote should be warned of."""

    after: ImageStream
    warning: str | None = None


def wish_to_json(before: ImageStream, wanted: ImageStream) -> Json:
    """What was asked of a stream, for the arguments of a command. `before` is the stream as it was
    loaded, or a blank one."""
    return delta_to_json(diff(before, wanted))


def with_wish(before: ImageStream, wish: AnyJson) -> ImageStream:
    """The stream as it was asked for; the inverse of `wish_to_json`."""
    return apply(before, delta_from_json(wish))


def blank_stream(stream: ImageStream) -> ImageStream:
    """The stream without content: what it is compared with when it is made or deleted."""
    return replace(
        stream,
        generation=0,
        metadata=StreamMetadata(),
        lookup_local=False,
        spec_tags=MappingProxyType({}),
        status_tags=MappingProxyType({}),
    )


def decide_spec(
    before: ImageStream | None,
    wanted: ImageStream,
    sources: Sources,
    now: datetime,
    internal_registry: str,
    *,
    tag: str = "",
) -> Written:
    """A write of the spec; of one tag if `tag` names it. `before` None makes the stream.

    Raises InvalidStream.
    """
    if before is None:
        return Written(decide_create(wanted, sources, now, internal_registry))
    after = decide_update(before, wanted, sources, now, internal_registry)
    return warn_of_schedule(before, after, tag) if tag else Written(after)


def warn_of_schedule(before: ImageStream, after: ImageStream, tag: str) -> Written:
    """Annotates a write of `tag` that ends a schedule or will be undone by one, and takes away
    what an earlier write said of that tag."""
    warning = find_schedule_warning(before, after, tag)
    if warning is None:
        return Written(without_outdated_warning(after, tag))
    return Written(with_schedule_annotation(after, warning), warning)


def decide_push(
    before: ImageStream, tag: str, reference: str, digest: str, now: datetime
) -> Written:
    """An image was pushed to `tag`; `before` itself when it was there already."""
    after = decide_mapping(before, tag, TagEvent(now, reference, digest, before.generation))
    return Written(before) if after is before else warn_of_schedule(before, after, tag)


def is_released(after: ImageStream) -> bool:
    """Whether a deleted stream has lost its last finalizer with this write."""
    return after.metadata.deletion_timestamp is not None and not after.metadata.finalizers


def emptied(stream: ImageStream) -> ImageStream:
    """What a deleted stream is compared with: it keeps its generation and metadata."""
    return replace(blank_stream(stream), generation=stream.generation, metadata=stream.metadata)


def decide_deletion(stream: ImageStream, now: datetime) -> ImageStream | None:
    """The stream as it stays until its finalizers are done; None when it goes at once."""
    if not stream.metadata.finalizers:
        return None
    if stream.metadata.deletion_timestamp is not None:
        return stream
    return replace(stream, metadata=replace(stream.metadata, deletion_timestamp=now))
