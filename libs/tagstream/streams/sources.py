"""Where a tag reference that names another tag or image gets its image from.

A decision cannot look other streams up. So it is done in three steps: `needed_sources` says what to
look up, the caller loads it, and the decision receives a `ResolvedSource` for each
(spec/image-api-and-import.md §2.3, §3.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tagstream.streams.image_stream import (
    STREAM_KINDS,
    ImageStream,
    SourceKind,
    TagEvent,
    TagReference,
    TagSource,
)

BAD_FORM = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """A tag (`kind` ImageStreamTag) or an image by id or prefix (ImageStreamImage) of a stream."""

    kind: SourceKind
    namespace: str
    stream: str
    key: str


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """What was found. `stream_exists` tells a missing stream from an empty tag.

    `events`: for a tag its head, if any; for an image one history item of each digest that
    matches, sorted by digest.
    """

    stream_exists: bool
    events: tuple[TagEvent, ...] = ()


Sources = Mapping[SourceQuery, ResolvedSource]


class BadSource(ValueError):
    """`from.name` has none of the legal forms."""


def parse_source(source: TagSource, namespace: str, stream: str) -> SourceQuery:
    """What `source`, written in the stream `namespace`/`stream`, refers to. Raises BadSource."""
    kind = SourceKind.IMAGE_STREAM_IMAGE
    if source.kind == SourceKind.IMAGE_STREAM_TAG:
        kind = SourceKind.IMAGE_STREAM_TAG
    separator = ":" if kind is SourceKind.IMAGE_STREAM_TAG else "@"
    name, key = stream, source.name
    if separator in source.name:
        name, _, key = source.name.partition(separator)
    elif kind is SourceKind.IMAGE_STREAM_TAG and "@" in source.name:
        raise BadSource(BAD_FORM)
    if not name or not key or separator in key or _has_stray_separator(kind, name, key):
        raise BadSource(BAD_FORM)
    return SourceQuery(kind, source.namespace or namespace, name, key)


def _has_stray_separator(kind: SourceKind, name: str, key: str) -> bool:
    if kind is SourceKind.IMAGE_STREAM_TAG:
        return "@" in name or "@" in key
    return ":" in name


def is_stream_source(source: TagSource, namespace: str) -> bool:
    """Whether the image comes from a stream rather than from a registry.

    A DockerImage that names a namespace, or nothing, is read as a stream source by OpenShift, and
    fails there (recorded case create-from-empty).
    """
    if source.kind != SourceKind.DOCKER_IMAGE:
        return True
    return not source.name or source.namespace not in ("", namespace)


def needed_sources(stream: ImageStream, tags: Iterable[TagReference]) -> list[SourceQuery]:
    """The look-ups that storing `tags` in `stream` needs; those of a bad form need none."""
    queries: dict[SourceQuery, None] = {}
    for reference in tags:
        source = reference.source
        if source is None or source.is_blank or not is_stream_source(source, stream.namespace):
            continue
        if source.kind not in STREAM_KINDS:
            continue
        try:
            queries[parse_source(source, stream.namespace, stream.name)] = None
        except BadSource:
            continue
    return list(queries)


def followed_tag(stream_namespace: str, stream: str, reference: TagReference) -> str | None:
    """The tag of the same stream that `reference` tracks, None when it tracks none (§3.8)."""
    source = reference.source
    if source is None or source.kind != SourceKind.IMAGE_STREAM_TAG:
        return None
    try:
        query = parse_source(source, stream_namespace, stream)
    except BadSource:
        return None
    if (query.namespace, query.stream) != (stream_namespace, stream):
        return None
    return query.key


def followed_by(stream: ImageStream, tag: str) -> str | None:
    """The tag that a loaded tag of the stream tracks, None when it tracks none."""
    reference = stream.spec_tags.get(tag)
    return followed_tag(stream.namespace, stream.name, reference) if reference is not None else None
