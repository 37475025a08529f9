"""Random image streams and random writes to them, for hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from hypothesis import strategies as st

from fakes.streams import (
    NAME,
    NAMESPACE,
    alias,
    at,
    condition,
    digest,
    event,
    failed,
    image_stream,
    imported,
    partly_loaded,
    permanent,
    pull_spec,
    registry_tag,
    resolve,
)
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    ImportPolicy,
    ReferencePolicy,
    StreamMetadata,
    TagHistory,
    TagReference,
    TagSource,
)
from tagstream.streams.imports import TagImport, decide_import
from tagstream.streams.sources import followed_tag, needed_sources
from tagstream.streams.spec_write import changed_tags, decide_update
from tagstream.streams.status_write import decide_mapping
from tagstream.streams.tags import with_tag, without_reference, without_tag

TAGS = ("a", "b", "c", "d")
IMAGES = ("one", "two", "three")

tags = st.sampled_from(TAGS)
images = st.sampled_from(IMAGES)
generations = st.integers(1, 9)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
words = st.text("abc/.:-_%", min_size=1, max_size=9)
moments = st.integers(0, 10**6).map(at)
policies = st.builds(
    ImportPolicy,
    insecure=st.booleans(),
    scheduled=st.booleans(),
    import_mode=st.sampled_from([str(mode) for mode in ImportMode]),
)
events = st.builds(
    lambda image, generation, created, repository: event(
        image, generation, created=created, reference=pull_spec(image, repository)
    ),
    images,
    generations,
    moments,
    st.sampled_from(["quay.io/a/b", "r.example:5000/c"]),
)
conditions = st.builds(
    lambda generation, reason, message, since: condition(
        generation, reason=reason, message=message, since=since
    ),
    generations,
    texts,
    texts,
    moments,
)
references = st.builds(
    TagReference,
    name=tags,
    source=st.none()
    | st.builds(
        TagSource,
        kind=words,
        name=words,
        namespace=st.just("") | words,
        extra=st.dictionaries(st.sampled_from(["uid", "fieldPath"]), words),
    ),
    annotations=st.none() | st.dictionaries(words, texts, min_size=1, max_size=3),
    reference=st.booleans(),
    generation=st.none() | generations,
    import_policy=policies,
    reference_policy=st.sampled_from([str(policy) for policy in ReferencePolicy]),
)
histories = st.builds(
    lambda tag, items, some: TagHistory(tag, tuple(items), tuple(some)),
    tags,
    st.lists(events, max_size=4),
    st.lists(conditions, max_size=1),
).filter(lambda one: not one.is_blank)
metadata = st.builds(
    StreamMetadata,
    labels=st.dictionaries(words, texts, max_size=2),
    annotations=st.dictionaries(words, texts, max_size=2),
    finalizers=st.lists(words, max_size=2).map(tuple),
    owner_references=st.lists(
        st.fixed_dictionaries({"uid": words, "controller": st.booleans()}), max_size=2
    ).map(tuple),
    deletion_timestamp=st.none() | moments,
)
streams = st.builds(
    lambda refs, some, generation, meta, local, repository: image_stream(
        refs,
        some,
        generation=generation,
        metadata=meta,
        lookup_local=local,
        repository=repository,
    ),
    st.lists(references, max_size=4, unique_by=lambda ref: ref.name),
    st.lists(histories, max_size=4, unique_by=lambda one: one.tag),
    generations,
    metadata,
    st.booleans(),
    st.sampled_from(["", "quay.io/a/b"]),
)


@dataclass(frozen=True, slots=True)
class Write:
    """One write: the tags it must load, and what it makes of a stream so loaded.

    `decide` also takes the whole stream, which is what sources are looked up in. `pushes` tells
    that it sets the tag's image by hand; `also` names what is loaded beside the tag.
    """

    label: str
    tag: str
    decide: Callable[[ImageStream, ImageStream, datetime], ImageStream]
    whole_history: bool = False
    pushes: bool = False
    also: tuple[str, ...] = ()

    def apply(self, whole: ImageStream, now: datetime) -> ImageStream:
        return self.decide(whole, whole, now)

    def apply_partly(self, whole: ImageStream, now: datetime) -> tuple[ImageStream, ImageStream]:
        """What was loaded for it, and what it made of that."""
        tags = [self.tag, *self.also]
        before = partly_loaded(whole, tags, whole_history=self.whole_history)
        return before, self.decide(before, whole, now)

    def __repr__(self) -> str:
        return f"{self.label} {self.tag}"


def _updated(
    loaded: ImageStream, wanted: ImageStream, whole: ImageStream, now: datetime
) -> ImageStream:
    sources = resolve(needed_sources(wanted, changed_tags(loaded, wanted)), [whole])
    return decide_update(loaded, wanted, sources, now, "")


def _put(ref: TagReference) -> Write:
    return Write(
        f"put {ref.source} {ref.generation}",
        ref.name,
        lambda loaded, whole, now: _updated(loaded, with_tag(loaded, ref), whole, now),
        also=tuple(filter(None, [followed_tag(NAMESPACE, NAME, ref)])),
    )


def _permanent(tag: str, image: str) -> Write:
    def decide(loaded: ImageStream, whole: ImageStream, now: datetime) -> ImageStream:
        known = any(i.image == digest(image) for h in whole.status_tags.values() for i in h.items)
        if not known:
            return loaded
        return _updated(loaded, with_tag(loaded, permanent(tag, digest(image))), whole, now)

    return Write(f"permanent {image}", tag, decide)


def _import(one: TagImport) -> Write:
    def decide(loaded: ImageStream, whole: ImageStream, now: datetime) -> ImageStream:
        ref = loaded.spec_tags.get(one.tag)
        if ref is not None and ref.reference:
            # Nobody is meant to import these: OpenShift then observes image and reference both.
            return loaded
        return decide_import(loaded, [one], now, "")

    return Write(f"import {one.outcome}", one.tag, decide)


def _push(tag: str, image: str) -> Write:
    return Write(
        f"push {image}",
        tag,
        lambda loaded, whole, now: decide_mapping(
            loaded, tag, event(image, loaded.generation, created=now)
        ),
        pushes=True,
    )


def _delete(tag: str) -> Write:
    def decide(loaded: ImageStream, whole: ImageStream, now: datetime) -> ImageStream:
        wanted = without_tag(loaded, tag)
        return loaded if wanted is None else _updated(loaded, wanted, whole, now)

    return Write("delete", tag, decide, whole_history=True)


def _unreference(tag: str) -> Write:
    return Write(
        "unreference",
        tag,
        lambda loaded, whole, now: _updated(loaded, without_reference(loaded, tag), whole, now),
    )


def _lookup(local: bool) -> Write:
    return Write(
        f"lookup {local}",
        "a",
        lambda loaded, whole, now: _updated(
            loaded, replace(loaded, lookup_local=local), whole, now
        ),
    )


writes = st.one_of(
    st.builds(
        lambda tag, pull, generation, policy, reference, local: _put(
            registry_tag(
                tag,
                f"quay.io/acme/{pull}",
                generation=generation,
                policy=policy,
                reference=reference,
                reference_policy=local,
            )
        ),
        tags,
        images,
        st.sampled_from([None, 0, 7]),
        policies,
        st.booleans(),
        st.sampled_from(list(ReferencePolicy)),
    ),
    st.builds(lambda tag, source: _put(alias(tag, source, generation=None)), tags, tags),
    st.builds(lambda tag, source: _put(alias(tag, source, generation=0)), tags, tags),
    st.builds(_permanent, tags, images),
    st.builds(lambda tag, image: _import(imported(tag, image)), tags, images),
    st.builds(
        lambda tag, reason, makes: _import(failed(tag, reason=reason, creates_tag=makes)),
        tags,
        st.sampled_from(["NotFound", "Unauthorized"]),
        st.booleans(),
    ),
    st.builds(_push, tags, images),
    st.builds(_delete, tags),
    st.builds(_unreference, tags),
    st.builds(_lookup, st.booleans()),
)
