"""Tags that follow other tags of their stream (spec/image-api-and-import.md §3.8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Set
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
    most once, so that loops end; it does so after the tag it follows, so that one that moved by
    itself in the same write ends where its source is.
    """
    followers = followers_by_tag(stream)
    if not followers:
        return stream
    source_of = {follower: tag for tag, some in followers.items() for follower in some}
    histories = dict(stream.status_tags)
    wanted = dict.fromkeys(moved)
    seen: set[str] = set()
    settled: set[str] = set()
    for tag in wanted:
        if tag not in seen:
            start = _highest_moved(tag, source_of, wanted.keys(), settled)
            _follow_down(start, followers, histories, seen)
    return replace(stream, status_tags=MappingProxyType(histories))


def _highest_moved(
    tag: str, source_of: Mapping[str, str], moved: Set[str], settled: set[str]
) -> str:
    """The farthest of the tags above `tag` that moved; `tag` itself when none did.

    `settled` collects what nothing moved above, so that many tags cost no more than one climb.
    """
    highest, walked = tag, [tag]
    climbed = {tag}
    above = source_of.get(tag)
    while above is not None and above not in settled and above not in climbed:
        if above in moved:
            highest, walked = above, []
        climbed.add(above)
        walked.append(above)
        above = source_of.get(above)
    settled.update(walked)
    return highest


def _follow_down(
    start: str,
    followers: Mapping[str, list[str]],
    histories: dict[str, TagHistory],
    seen: set[str],
) -> None:
    queue = deque([start])
    seen.add(start)
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
