"""Tags that follow other tags of their stream (spec/image-api-and-import.md §3.8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from tagstream.streams.image_stream import ImageStream, TagHistory
from tagstream.streams.sources import followed_tag
from tagstream.streams.tag_history import add_event


def followers_by_tag(stream: ImageStream) -> Mapping[str, list[str]]:
    """Each followed tag of the stream with the tags that follow it, in name order."""
    followers: dict[str, list[str]] = {}
    for tag in sorted(stream.spec_tags):
        followed = followed_tag(stream.namespace, stream.name, stream.spec_tags[tag])
        if followed is not None:
            followers.setdefault(followed, []).append(tag)
    return followers


def propagate(stream: ImageStream, moved: Iterable[str]) -> ImageStream:
    """The stream after every follower of the `moved` tags, however far, has followed.

    A follower gets a copy of the head it follows, its generation included. Each tag follows at
    most once, so that loops end.
    """
    followers = followers_by_tag(stream)
    if not followers:
        return stream
    histories = dict(stream.status_tags)
    queue = deque(moved)
    seen: set[str] = set()
    while queue:
        tag = queue.popleft()
        head = histories[tag].head if tag in histories else None
        if head is None:
            continue
        for follower in followers.get(tag, ()):
            if follower in seen:
                continue
            seen.add(follower)
            history = histories.get(follower) or TagHistory(follower)
            histories[follower] = add_event(history, head)
            queue.append(follower)
    return replace(stream, status_tags=MappingProxyType(histories))
