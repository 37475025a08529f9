"""The image stream as a value: what is wanted (`spec_tags`) and what was observed (`status_tags`).

Owns the types that every decision takes and returns. Owns no rule: those are in the modules beside
this one. Field meanings: spec/image-api-and-import.md §1.4.

A stream may be loaded *in part*: only the tags that a decision can touch, and of each history only
its newest items. Decisions never look at what was not loaded, so moving one tag costs the same in
a stream of five tags and of fifty thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

EMPTY: Mapping[str, str] = MappingProxyType({})


class SourceKind(StrEnum):
    """What `from.kind` of a tag reference may say."""

    DOCKER_IMAGE = "DockerImage"
    IMAGE_STREAM_TAG = "ImageStreamTag"
    IMAGE_STREAM_IMAGE = "ImageStreamImage"


STREAM_KINDS: Final = (SourceKind.IMAGE_STREAM_TAG, SourceKind.IMAGE_STREAM_IMAGE)


class ImportMode(StrEnum):
    """Whether a manifest list is imported whole or resolved to one manifest (§6.8)."""

    LEGACY = "Legacy"
    PRESERVE_ORIGINAL = "PreserveOriginal"


class ReferencePolicy(StrEnum):
    """Which pull spec a user of the tag gets (§3.4)."""

    SOURCE = "Source"
    LOCAL = "Local"


class ConditionType(StrEnum):
    """The one condition a tag may carry; only ever written with status False (§3.6)."""

    IMPORT_SUCCESS = "ImportSuccess"


@dataclass(frozen=True, slots=True)
class TagSource:
    """`from` of a tag reference. `kind` is kept as written; validation names the legal ones.

    `namespace` is empty when the stream's own is meant. `extra` holds the other ObjectReference
    fields, which are kept and never read.
    """

    kind: str
    name: str
    namespace: str = ""
    extra: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    @property
    def is_blank(self) -> bool:
        return not self.kind and not self.name


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """How a tag is imported from its registry."""

    insecure: bool = False
    scheduled: bool = False
    import_mode: str = ImportMode.LEGACY


@dataclass(frozen=True, slots=True)
class TagReference:
    """What a tag should point to: one entry of `spec.tags`.

    `generation` None means "import only if the stream is being imported anyway"; 0, on input
    only, asks for a new import (§3.3).
    """

    name: str
    source: TagSource | None = None
    annotations: Mapping[str, str] | None = None
    reference: bool = False
    generation: int | None = None
    import_policy: ImportPolicy = ImportPolicy()
    reference_policy: str = ReferencePolicy.SOURCE

    @property
    def is_importable(self) -> bool:
        """Whether a registry is asked for this tag at all (§7.1)."""
        return (
            self.source is not None
            and self.source.kind == SourceKind.DOCKER_IMAGE
            and not self.reference
        )


@dataclass(frozen=True, slots=True)
class TagEvent:
    """One image a tag has pointed to. `image` is empty for a `reference` tag (§3.2)."""

    created: datetime
    docker_image_reference: str
    image: str
    generation: int


@dataclass(frozen=True, slots=True)
class TagEventCondition:
    """Why the last import of a tag did not succeed."""

    type: str
    status: str
    last_transition_time: datetime
    reason: str
    message: str
    generation: int


@dataclass(frozen=True, slots=True)
class TagHistory:
    """What a tag has meant, newest first: one entry of `status.tags`."""

    tag: str
    items: tuple[TagEvent, ...] = ()
    conditions: tuple[TagEventCondition, ...] = ()

    @property
    def head(self) -> TagEvent | None:
        return self.items[0] if self.items else None

    @property
    def is_blank(self) -> bool:
        return not self.items and not self.conditions

    @property
    def observed_generation(self) -> int:
        """The newest generation that was tried, whether it succeeded or failed (§3.3)."""
        return max(
            self.items[0].generation if self.items else 0,
            max((c.generation for c in self.conditions), default=0),
        )


@dataclass(frozen=True, slots=True)
class StreamMetadata:
    """The object metadata of a stream that users own, and the server's deletion marks.

    `owner_references` are kept as they came. `deletion_timestamp` is set once deletion was asked
    for while finalizers remain.
    """

    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Mapping[str, object], ...] = ()
    deletion_timestamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImageStream:
    """A named set of tags in a namespace.

    `version` is the journal position of its last change, 0 before the first save.
    `docker_image_repository` is `spec.dockerImageRepository`, not the status field, which is
    computed when it is read (§4.1).
    """

    namespace: str
    name: str
    uid: str
    created_at: datetime
    generation: int = 0
    version: int = 0
    metadata: StreamMetadata = StreamMetadata()
    lookup_local: bool = False
    docker_image_repository: str = ""
    spec_tags: Mapping[str, TagReference] = field(default_factory=lambda: MappingProxyType({}))
    status_tags: Mapping[str, TagHistory] = field(default_factory=lambda: MappingProxyType({}))

    def history(self, tag: str) -> TagHistory:
        """The history of `tag`; an empty one when nothing was observed yet."""
        return self.status_tags.get(tag) or TagHistory(tag)

    def head(self, tag: str) -> TagEvent | None:
        """What `tag` points to now, None before its first image."""
        return self.history(tag).head
