"""Which tags need an import, and what a finished import does to a stream.

Rules: spec/image-api-and-import.md §3.3 (needs import), §6.3 step 10 to 12 (results), §3.6
(conditions). Talking to the registry is the importer's business; this is what its answer means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from tagstream.streams.image_stream import (
    STREAM_KINDS,
    ImageStream,
    ImportPolicy,
    SourceKind,
    StreamMetadata,
    TagEvent,
    TagHistory,
    TagReference,
    TagSource,
)
from tagstream.streams.json_form import format_time
from tagstream.streams.schedule_warning import without_settled_warning
from tagstream.streams.spec_write import REQUEST_IMPORT, decide_create, decide_update
from tagstream.streams.tag_history import (
    add_event,
    clear_conditions,
    has_same_condition,
    import_failure,
    set_condition,
)

CHECK_ANNOTATION = "openshift.io/image.dockerRepositoryCheck"


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """What a registry had: the source's own pull spec with the digest, and the digest."""

    docker_image_reference: str
    digest: str


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """Why it had nothing: a Status reason and message."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class TagImport:
    """The import of one tag and how it ended.

    `creates_tag_on_failure` is false for tags that came from listing a repository: a failed one of
    those gets a condition but no reference.
    """

    tag: str
    from_name: str
    import_policy: ImportPolicy
    reference_policy: str
    outcome: ImportedImage | ImportFailure
    creates_tag_on_failure: bool = True


def needs_import(stream: ImageStream, tag: str) -> bool:
    """Whether a registry must be asked for `tag` now (§3.3).

    A reference without a generation is never due by itself.
    """
    ref = stream.spec_tags.get(tag)
    if ref is None or not ref.is_importable or ref.generation is None:
        return False
    return ref.generation > stream.history(tag).observed_generation


def tags_needing_import(stream: ImageStream) -> list[str]:
    """The loaded tags that need an import, by name."""
    return [tag for tag in sorted(stream.spec_tags) if needs_import(stream, tag)]


def decide_import(
    before: ImageStream, imports: Sequence[TagImport], now: datetime, internal_registry: str
) -> ImageStream:
    """The stream after these imports; equal to `before` when they found nothing new.

    `before` is a blank stream of generation 0 when it does not exist yet. An existing stream that
    was never checked is marked even if nothing moved, which is one write. Raises InvalidStream.
    """
    stream = before
    for one in imports:
        if isinstance(one.outcome, ImportedImage):
            stream = _with_image(stream, one, one.outcome, before.generation + 1, now)
        else:
            stream = _with_failure(stream, one, one.outcome, before.generation + 1, now)
    if before.generation == 0:
        return decide_create(_checked(stream, now), {}, now, internal_registry)
    if stream == before and CHECK_ANNOTATION in before.metadata.annotations:
        return before
    after = decide_update(before, _checked(stream, now), {}, now, internal_registry)
    return without_settled_warning(before, _with_reached_conditions(after, imports))


def _with_reached_conditions(stream: ImageStream, imports: Sequence[TagImport]) -> ImageStream:
    """No condition of a generation that the stream has not reached: failures that touch no
    reference raise none, and a later wish of that generation would pass for tried."""
    for one in imports:
        history = stream.history(one.tag)
        if any(c.generation > stream.generation for c in history.conditions):
            reached = tuple(replace(c, generation=stream.generation) for c in history.conditions)
            stream = _with_history(stream, replace(history, conditions=reached))
    return stream


def _checked(stream: ImageStream, now: datetime) -> ImageStream:
    metadata: StreamMetadata = stream.metadata
    annotations = {**metadata.annotations, CHECK_ANNOTATION: format_time(now)}
    return replace(stream, metadata=replace(metadata, annotations=annotations))


def _with_failure(
    stream: ImageStream,
    one: TagImport,
    failure: ImportFailure,
    generation: int,
    now: datetime,
) -> ImageStream:
    condition = import_failure(failure.reason, failure.message, generation, now)
    history = stream.history(one.tag)
    ref = stream.spec_tags.get(one.tag)
    if has_same_condition(history, condition):
        return _with_retried_failure(stream, history, ref)
    stream = _with_history(stream, set_condition(history, condition))
    if ref is not None and ref.source is not None and ref.source.kind in STREAM_KINDS:
        # Whatever it comes from has not failed; there is nothing to look up again.
        return stream
    if ref is not None:
        return _with_reference(stream, replace(ref, generation=REQUEST_IMPORT))
    if not one.creates_tag_on_failure:
        return stream
    return _with_reference(
        stream,
        TagReference(
            one.tag,
            TagSource(SourceKind.DOCKER_IMAGE, one.from_name),
            generation=REQUEST_IMPORT,
            import_policy=one.import_policy,
            reference_policy=one.reference_policy,
        ),
    )


def _with_retried_failure(
    stream: ImageStream, history: TagHistory, ref: TagReference | None
) -> ImageStream:
    """The same failure again. OpenShift would leave a forced retry pending for ever; here the
    condition takes over the generation that was tried, its time unchanged (appendix A)."""
    tried = ref.generation if ref is not None else None
    if tried is None or tried <= history.observed_generation:
        return stream
    conditions = tuple(replace(c, generation=tried) for c in history.conditions)
    return _with_history(stream, replace(history, conditions=conditions))


def _with_image(
    stream: ImageStream,
    one: TagImport,
    image: ImportedImage,
    generation: int,
    now: datetime,
) -> ImageStream:
    history = stream.history(one.tag)
    ref = stream.spec_tags.get(one.tag)
    event = TagEvent(now, image.docker_image_reference, image.digest, generation)
    if ref is None or _is_news(ref, history, event):
        ref = _reimported(ref, one)
        history = add_event(history, event)
    ref = replace(ref, import_policy=one.import_policy)
    return _with_reference(_with_history(stream, clear_conditions(history)), ref)


def _is_news(ref: TagReference, history: TagHistory, event: TagEvent) -> bool:
    head = history.head
    if ref.generation is None or head is None:
        return True
    found = (event.docker_image_reference, event.image)
    return found != (head.docker_image_reference, head.image) or ref.generation > head.generation


def _reimported(ref: TagReference | None, one: TagImport) -> TagReference:
    source = TagSource(SourceKind.DOCKER_IMAGE, one.from_name)
    if ref is None:
        return TagReference(
            one.tag,
            source,
            generation=REQUEST_IMPORT,
            import_policy=one.import_policy,
            reference_policy=one.reference_policy,
        )
    return replace(ref, source=source, generation=REQUEST_IMPORT)


def _with_reference(stream: ImageStream, ref: TagReference) -> ImageStream:
    tags = {**stream.spec_tags, ref.name: ref}
    return replace(stream, spec_tags=MappingProxyType(tags))


def _with_history(stream: ImageStream, history: TagHistory) -> ImageStream:
    if history is stream.status_tags.get(history.tag) or history.is_blank:
        return stream
    tags = {**stream.status_tags, history.tag: history}
    return replace(stream, status_tags=MappingProxyType(tags))
