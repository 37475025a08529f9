"""What a write of the spec does to a stream: generations, histories, followers.

Every path that stores a spec ends here (user, tag, import): spec/image-api-and-import.md §3.3 for
the generations, §3.5 for what tag sources do to the status, §3.8 for followers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.followers import propagate
from tagstream.streams.image_stream import (
    STREAM_KINDS,
    ImageStream,
    SourceKind,
    TagEvent,
    TagHistory,
    TagReference,
    TagSource,
)
from tagstream.streams.problems import InvalidStream, Problem, ProblemKind
from tagstream.streams.sources import (
    BAD_FORM,
    BadSource,
    SourceQuery,
    Sources,
    followed_tag,
    is_stream_source,
    parse_source,
)
from tagstream.streams.tag_history import add_event
from tagstream.streams.validation import validate_stream

REQUEST_IMPORT = 0


def decide_create(
    wanted: ImageStream, sources: Sources, now: datetime, internal_registry: str
) -> ImageStream:
    """The stream as it is stored the first time: generation 1, and so each tag (§3.3).

    A status that `wanted` carries is kept, as an import needs; a user's must be emptied by the
    caller. Raises InvalidStream.
    """
    tags = {tag: replace(ref, generation=1) for tag, ref in wanted.spec_tags.items()}
    stream = replace(wanted, generation=1, spec_tags=MappingProxyType(tags))
    return _observe(None, stream, sources, now, internal_registry)


def decide_update(
    before: ImageStream,
    wanted: ImageStream,
    sources: Sources,
    now: datetime,
    internal_registry: str,
) -> ImageStream:
    """The stream after `wanted` was asked for; equal to `before` when nothing changes.

    Both are loaded with the same tags. Raises InvalidStream.
    """
    kept = {t: h for t, h in wanted.status_tags.items() if not h.is_blank}
    stream = replace(wanted, generation=before.generation, status_tags=MappingProxyType(kept))
    stream = _with_generations(before, stream)
    return _observe(before, stream, sources, now, internal_registry)


def changed_tags(before: ImageStream | None, wanted: ImageStream) -> list[TagReference]:
    """The tag references of `wanted` that are new, or changed so that their image must be looked
    up again (§3.3)."""
    if before is None:
        return list(wanted.spec_tags.values())
    return [
        ref
        for tag, ref in wanted.spec_tags.items()
        if tag not in before.spec_tags or is_changed(before.spec_tags[tag], ref, wanted.namespace)
    ]


def is_changed(before: TagReference, after: TagReference, namespace: str) -> bool:
    """Whether a tag means another source now, or asks to be imported again (§3.3).

    Unlike OpenShift 4.17 a change of the kind alone counts (appendix A).
    """
    if after.source is None or after.source.is_blank:
        return False
    old = before.source or TagSource("", "")
    return (
        (old.namespace or namespace) != (after.source.namespace or namespace)
        or (old.kind, old.name) != (after.source.kind, after.source.name)
        or before.reference != after.reference
        or before.import_policy.import_mode != after.import_policy.import_mode
        or (after.generation == REQUEST_IMPORT and before.generation != REQUEST_IMPORT)
    )


def _with_generations(before: ImageStream, stream: ImageStream) -> ImageStream:
    tags = {tag: _kept_generation(before, ref) for tag, ref in stream.spec_tags.items()}
    stream = replace(stream, spec_tags=MappingProxyType(tags))
    generation = before.generation
    if generation == 0 or _spec_differs(before, stream):
        generation += 1
    for tag, ref in tags.items():
        old = before.spec_tags.get(tag)
        is_new = old is None or is_changed(old, ref, stream.namespace)
        if is_new or ref.generation == REQUEST_IMPORT:
            tags[tag] = replace(ref, generation=generation)
    return replace(stream, generation=generation, spec_tags=MappingProxyType(tags))


def _kept_generation(before: ImageStream, ref: TagReference) -> TagReference:
    """A user may ask for a new import with 0, and for nothing else (§3.3 step 2)."""
    old = before.spec_tags.get(ref.name)
    if old is None or ref.generation == REQUEST_IMPORT:
        return ref
    return replace(ref, generation=old.generation)


def _spec_differs(before: ImageStream, after: ImageStream) -> bool:
    return (
        before.lookup_local != after.lookup_local
        or before.docker_image_repository != after.docker_image_repository
        or dict(before.spec_tags) != dict(after.spec_tags)
    )


def _observe(
    before: ImageStream | None,
    stream: ImageStream,
    sources: Sources,
    now: datetime,
    internal_registry: str,
) -> ImageStream:
    """Adds what new and changed tags point to, then lets followers follow (§3.5)."""
    problems: list[Problem] = []
    histories = dict(stream.status_tags)
    for ref in _to_observe(before, stream):
        try:
            event = _observed_event(stream, ref, sources, now, internal_registry)
        except _SourceProblem as found:
            problems.append(found.problem)
            continue
        if event is not None:
            histories[ref.name] = add_event(stream.history(ref.name), event)
            histories.update(_confirmed_source(stream, ref, histories))
    problems += validate_stream(before, stream)
    if problems:
        raise InvalidStream(problems)
    observed = replace(stream, status_tags=MappingProxyType(histories))
    return propagate(observed, _moved(before, observed))


def _confirmed_source(
    stream: ImageStream, ref: TagReference, histories: Mapping[str, TagHistory]
) -> dict[str, TagHistory]:
    """The history of the tag that `ref` begins to follow, its head at the generation of `ref`.

    OpenShift does so to every source, by sharing memory (recorded case b11). Here a source that
    waits for an import keeps its generation, or it would never be imported.
    """
    followed = followed_tag(stream.namespace, stream.name, ref)
    source = stream.spec_tags.get(followed) if followed is not None else None
    history = histories.get(followed) if followed is not None else None
    if source is None or history is None or history.head is None or source.name == ref.name:
        return {}
    head = history.head
    if (source.generation or 0) > head.generation or (ref.generation or 0) <= head.generation:
        return {}
    raised = replace(head, generation=ref.generation or 0)
    return {source.name: replace(history, items=(raised, *history.items[1:]))}


def _to_observe(before: ImageStream | None, stream: ImageStream) -> list[TagReference]:
    """Tags whose source is new: their generation has just been set."""
    if before is None:
        return list(stream.spec_tags.values())
    return [
        ref
        for tag, ref in stream.spec_tags.items()
        if tag not in before.spec_tags or before.spec_tags[tag].generation != ref.generation
    ]


def _moved(before: ImageStream | None, after: ImageStream) -> list[str]:
    old: Mapping[str, TagHistory] = before.status_tags if before else {}
    return sorted(
        tag
        for tag, history in after.status_tags.items()
        if history.head is not None and (tag not in old or old[tag].head != history.head)
    )


class _SourceProblem(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def _observed_event(
    stream: ImageStream,
    ref: TagReference,
    sources: Sources,
    now: datetime,
    internal_registry: str,
) -> TagEvent | None:
    source = ref.source
    generation = ref.generation or 0
    if source is None or source.is_blank:
        return None
    if not is_stream_source(source, stream.namespace):
        if not ref.reference:
            return None
        return TagEvent(now, source.name, "", generation)
    field = f"spec.tags[{ref.name}].from.name"
    if source.kind not in STREAM_KINDS:
        raise _SourceProblem(
            Problem(field, ProblemKind.INVALID, source.name, BAD_FORM, is_internal=True)
        )
    try:
        query = parse_source(source, stream.namespace, stream.name)
    except BadSource as error:
        raise _SourceProblem(
            Problem(field, ProblemKind.INVALID, source.name, str(error), is_internal=True)
        ) from error
    event = _found_event(field, source.name, query, stream, sources, now)
    if event is None:
        return None
    reference = event.docker_image_reference
    if not ref.reference:
        reference = _through_this_stream(reference, query, stream, internal_registry)
    return replace(event, docker_image_reference=reference, generation=generation)


def _found_event(
    field: str,
    name: str,
    query: SourceQuery,
    stream: ImageStream,
    sources: Sources,
    now: datetime,
) -> TagEvent | None:
    found = sources[query]
    # A stream that is just being made is in no store yet, and still may follow itself.
    is_own = (query.namespace, query.stream) == (stream.namespace, stream.name)
    if not found.stream_exists and not is_own:
        raise _SourceProblem(Problem(field, ProblemKind.NOT_FOUND, name, is_internal=True))
    if query.kind is SourceKind.IMAGE_STREAM_TAG:
        return found.events[0] if found.events else None
    if not found.events:
        detail = (
            "error generating tag event: imagestreamimage.image.openshift.io "
            f'"{query.key}" not found'
        )
        raise _SourceProblem(Problem(field, ProblemKind.INVALID, name, detail, is_internal=True))
    if len(found.events) > 1:
        digests = ", ".join(sorted(e.image for e in found.events))
        detail = (
            "error generating tag event: Operation cannot be fulfilled on "
            f'imagestreamimage.image.openshift.io "{query.key}": '
            f'multiple images match the prefix "{query.key}": {digests}'
        )
        raise _SourceProblem(Problem(field, ProblemKind.INVALID, name, detail, is_internal=True))
    return replace(found.events[0], created=now)


def _through_this_stream(
    reference: str, query: SourceQuery, stream: ImageStream, internal_registry: str
) -> str:
    """A pull spec inside the integrated registry is rewritten to this stream's repository, so that
    whoever may pull from this stream may pull it (§3.5)."""
    if not internal_registry:
        return reference
    try:
        parsed = parse_image_reference(reference)
    except InvalidReference:
        return reference
    origin = (internal_registry, query.namespace, query.stream)
    if (parsed.registry, parsed.namespace, parsed.name) != origin:
        return reference
    return replace(parsed, namespace=stream.namespace, name=stream.name).exact
