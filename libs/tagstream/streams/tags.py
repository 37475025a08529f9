"""Writes of one tag: what `oc tag` and `oc delete istag` ask for (spec §3.9)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from tagstream.streams.image_stream import ImageStream, TagReference


def with_tag(stream: ImageStream, ref: TagReference) -> ImageStream:
    """What is wanted once the tag is `ref`; give it to `decide_update`."""
    tags = {**stream.spec_tags, ref.name: ref}
    return replace(stream, spec_tags=MappingProxyType(tags))


def without_tag(stream: ImageStream, tag: str) -> ImageStream | None:
    """What is wanted once the tag is gone with its history; None when there is no such tag.

    Images and other tags stay, and so do the histories of its followers.
    """
    if tag not in stream.spec_tags and tag not in stream.status_tags:
        return None
    return replace(
        stream,
        spec_tags=MappingProxyType({t: r for t, r in stream.spec_tags.items() if t != tag}),
        status_tags=MappingProxyType({t: h for t, h in stream.status_tags.items() if t != tag}),
    )


def without_reference(stream: ImageStream, tag: str) -> ImageStream:
    """What is wanted once nobody wants anything of the tag; its history stays (§1.8)."""
    return replace(
        stream,
        spec_tags=MappingProxyType({t: r for t, r in stream.spec_tags.items() if t != tag}),
    )


def will_move_again(stream: ImageStream, tag: str) -> bool:
    """Whether a scheduled import will decide anew what `tag` points to.

    What a user sets there by hand lasts until the next check.
    """
    ref = stream.spec_tags.get(tag)
    return ref is not None and ref.is_importable and ref.import_policy.scheduled
