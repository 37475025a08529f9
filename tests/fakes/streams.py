"""Builders of image streams and their parts, with defaults for what a test does not care about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tagstream.streams.followers import followers_by_tag
from tagstream.streams.image_stream import (
    ImageStream,
    ImportPolicy,
    ReferencePolicy,
    SourceKind,
    StreamMetadata,
    TagEvent,
    TagEventCondition,
    TagHistory,
    TagReference,
    TagSource,
)
from tagstream.streams.imports import ImportedImage, ImportFailure, TagImport
from tagstream.streams.sources import ResolvedSource, SourceQuery, needed_sources
from tagstream.streams.spec_write import changed_tags, decide_create, decide_update
from tagstream.streams.tags import with_tag, without_tag

NAMESPACE = "demo"
NAME = "py"
UID = "11111111-2222-4333-8444-555555555555"
REGISTRY = "registry.example.com:5000"
NOW = datetime(2026, 11, 23, 4, 27, 43, tzinfo=UTC)


def at(seconds: int) -> datetime:
    """A moment so many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def digest(name: str) -> str:
    """A digest that belongs to a short name, always the same."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def pull_spec(name: str, repository: str = "quay.io/acme/python") -> str:
    """The pull spec by digest of the image called `name`."""
    return f"{repository}@{digest(name)}"


def event(
    image: str,
    generation: int = 1,
    *,
    created: datetime = NOW,
    reference: str = "",
) -> TagEvent:
    """An event of the image called `image`."""
    return TagEvent(created, reference or pull_spec(image), digest(image), generation)


def condition(
    generation: int = 1, *, reason: str = "NotFound", message: str = "gone", since: datetime = NOW
) -> TagEventCondition:
    return TagEventCondition("ImportSuccess", "False", since, reason, message, generation)


def history(
    tag: str, *events: TagEvent, conditions: Iterable[TagEventCondition] = ()
) -> TagHistory:
    """A history, newest event first."""
    return TagHistory(tag, events, tuple(conditions))


def registry_tag(
    name: str,
    pull: str = "quay.io/acme/python:3.5",
    *,
    generation: int | None = 1,
    reference: bool = False,
    policy: ImportPolicy | None = None,
    reference_policy: str = ReferencePolicy.SOURCE,
    annotations: Mapping[str, str] | None = None,
) -> TagReference:
    """A reference to an image of a registry."""
    return TagReference(
        name,
        TagSource(SourceKind.DOCKER_IMAGE, pull),
        annotations=annotations,
        reference=reference,
        generation=generation,
        import_policy=policy or ImportPolicy(),
        reference_policy=reference_policy,
    )


def alias(
    name: str, source: str, *, namespace: str = "", generation: int | None = 1
) -> TagReference:
    """A reference to another tag, `tag` or `stream:tag`."""
    kind = SourceKind.IMAGE_STREAM_TAG
    return TagReference(name, TagSource(kind, source, namespace), generation=generation)


def permanent(
    name: str, source: str, *, namespace: str = "", generation: int | None = 1
) -> TagReference:
    """A reference to an image of a stream, `id` or `stream@id`."""
    kind = SourceKind.IMAGE_STREAM_IMAGE
    return TagReference(name, TagSource(kind, source, namespace), generation=generation)


def image_stream(
    tags: Iterable[TagReference] = (),
    histories: Iterable[TagHistory] = (),
    *,
    generation: int = 1,
    namespace: str = NAMESPACE,
    name: str = NAME,
    uid: str = UID,
    version: int = 0,
    metadata: StreamMetadata | None = None,
    lookup_local: bool = False,
    repository: str = "",
) -> ImageStream:
    """A stream with these references and histories."""
    return ImageStream(
        namespace,
        name,
        uid,
        NOW,
        generation,
        version,
        metadata or StreamMetadata(),
        lookup_local,
        repository,
        {ref.name: ref for ref in tags},
        {one.tag: one for one in histories},
    )


def imported(
    tag: str,
    image: str,
    pull: str = "quay.io/acme/python:3.5",
    *,
    policy: ImportPolicy | None = None,
    reference: str = "",
) -> TagImport:
    """An import of `tag` that found the image called `image`."""
    found = ImportedImage(reference or pull_spec(image), digest(image))
    return TagImport(tag, pull, policy or ImportPolicy(), ReferencePolicy.SOURCE, found)


def failed(
    tag: str,
    pull: str = "quay.io/acme/python:3.5",
    *,
    reason: str = "NotFound",
    message: str = "not found",
    creates_tag: bool = True,
) -> TagImport:
    """An import of `tag` that brought nothing."""
    return TagImport(
        tag,
        pull,
        ImportPolicy(),
        ReferencePolicy.SOURCE,
        ImportFailure(reason, message),
        creates_tag_on_failure=creates_tag,
    )


def spec_generations(stream: ImageStream) -> dict[str, int | None]:
    return {tag: ref.generation for tag, ref in stream.spec_tags.items()}


def heads(stream: ImageStream) -> dict[str, list[tuple[str, int]]]:
    """Of each tag its images with their generations, newest first."""
    return {
        tag: [(item.image, item.generation) for item in one.items]
        for tag, one in stream.status_tags.items()
    }


def resolve(
    queries: Iterable[SourceQuery], streams: Iterable[ImageStream]
) -> dict[SourceQuery, ResolvedSource]:
    """What the store answers when only `streams` exist."""
    by_name = {(one.namespace, one.name): one for one in streams}
    return {query: _found(query, by_name.get((query.namespace, query.stream))) for query in queries}


def _found(query: SourceQuery, stream: ImageStream | None) -> ResolvedSource:
    if stream is None:
        return ResolvedSource(stream_exists=False)
    if query.kind is SourceKind.IMAGE_STREAM_TAG:
        head = stream.head(query.key)
        return ResolvedSource(True, (head,) if head is not None else ())
    matching: dict[str, TagEvent] = {}
    for one in stream.status_tags.values():
        for item in one.items:
            if item.image and item.image.startswith((query.key, f"sha256:{query.key}")):
                matching.setdefault(item.image, item)
    return ResolvedSource(True, tuple(matching[image] for image in sorted(matching)))


def update(
    before: ImageStream,
    wanted: ImageStream,
    *others: ImageStream,
    now: datetime = NOW,
    registry: str = "",
) -> ImageStream:
    """What a user's write of `wanted` makes of `before`."""
    queries = needed_sources(wanted, changed_tags(before, wanted))
    return decide_update(before, wanted, resolve(queries, [before, *others]), now, registry)


def put(
    before: ImageStream,
    ref: TagReference,
    *others: ImageStream,
    now: datetime = NOW,
    registry: str = "",
) -> ImageStream:
    """What a PUT of one tag makes of `before`."""
    return update(before, with_tag(before, ref), *others, now=now, registry=registry)


def create(
    wanted: ImageStream, *others: ImageStream, now: datetime = NOW, registry: str = ""
) -> ImageStream:
    """What a POST of `wanted` makes."""
    queries = needed_sources(wanted, changed_tags(None, wanted))
    return decide_create(wanted, resolve(queries, others), now, registry)


def delete(before: ImageStream, tag: str, *, now: datetime = NOW) -> ImageStream:
    """What a DELETE of a tag that exists makes of `before`."""
    wanted = without_tag(before, tag)
    assert wanted is not None
    return update(before, wanted, now=now)


def partly_loaded(
    stream: ImageStream, tags: Iterable[str], *, whole_history: bool = False
) -> ImageStream:
    """What the store loads for a write of `tags`: them and their followers, heads only."""
    followers = followers_by_tag(stream)
    wanted: dict[str, None] = {}
    queue = list(tags)
    while queue:
        tag = queue.pop()
        if tag not in wanted:
            wanted[tag] = None
            queue.extend(followers.get(tag, ()))
    histories = {t: stream.status_tags[t] for t in wanted if t in stream.status_tags}
    if not whole_history:
        histories = {t: replace(h, items=h.items[:1]) for t, h in histories.items()}
    return replace(
        stream,
        spec_tags={t: stream.spec_tags[t] for t in wanted if t in stream.spec_tags},
        status_tags=histories,
    )
