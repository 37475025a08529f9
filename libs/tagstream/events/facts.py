"""Facts: what has happened, one frozen class each, and the registry of their types.

The fields and their meaning are defined in `proto/tagstream/v1/facts.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from tagstream.errors import InvalidInput
from tagstream.events.message import Int32, Message, TagGeneration, TagResult


class Fact(Message):
    """Something that has happened and was committed."""


class TagChanged(Fact):
    """A tag resolves to another pull spec than before."""

    TYPE: ClassVar[str] = "dev.tagstream.tag.changed.v1"

    tag: str = ""
    old_image: str = ""
    new_image: str = ""
    old_pull_spec: str = ""
    new_pull_spec: str = ""
    tag_generation: Int32 = 0
    old_reference_policy: str = ""
    new_reference_policy: str = ""
    scheduled: bool = False


class TagDeleted(Fact):
    """A tag is gone, by itself or with its stream."""

    TYPE: ClassVar[str] = "dev.tagstream.tag.deleted.v1"

    tag: str = ""
    old_image: str = ""
    old_pull_spec: str = ""
    tag_generation: Int32 = 0
    old_reference_policy: str = ""


class ImportRequested(Fact):
    """One or more tags of a stream need an import."""

    TYPE: ClassVar[str] = "dev.tagstream.import.requested.v1"

    tags: tuple[TagGeneration, ...] = ()
    scheduled: bool = False


class ImportFact(Fact):
    """How an import of some tags of one stream, from one host, ended."""

    import_id: str = ""
    host: str = ""
    results: tuple[TagResult, ...] = ()


class ImportCompleted(ImportFact):
    """An import ran, and at least one of its tags has an image."""

    TYPE: ClassVar[str] = "dev.tagstream.import.completed.v1"


class ImportFailed(ImportFact):
    """An import brought no image for any of its tags."""

    TYPE: ClassVar[str] = "dev.tagstream.import.failed.v1"


class TriggerFact(Fact):
    """What a tag's move did to one workload.

    `namespace`, `stream` and `tag` name the tag; the workload has its own namespace and name.
    """

    tag: str = ""
    cluster: str = ""
    api_version: str = ""
    kind: str = ""
    workload_namespace: str = ""
    workload_name: str = ""
    field_paths: tuple[str, ...] = ()
    old_pull_spec: str = ""
    new_pull_spec: str = ""
    reason: str = ""
    message: str = ""


class TriggerFired(TriggerFact):
    """A workload was patched."""

    TYPE: ClassVar[str] = "dev.tagstream.trigger.fired.v1"


class TriggerSkipped(TriggerFact):
    """A workload was left alone, on purpose."""

    TYPE: ClassVar[str] = "dev.tagstream.trigger.skipped.v1"


class TriggerFailed(TriggerFact):
    """A workload could not be patched."""

    TYPE: ClassVar[str] = "dev.tagstream.trigger.failed.v1"


class TriggersPaused(Fact):
    """Triggers are paused, in one namespace or (empty) everywhere."""

    TYPE: ClassVar[str] = "dev.tagstream.triggers.paused.v1"

    message: str = ""


class TriggersResumed(Fact):
    """Triggers that were paused work again."""

    TYPE: ClassVar[str] = "dev.tagstream.triggers.resumed.v1"

    message: str = ""


class ImagePruned(Fact):
    """An image that nothing used is gone."""

    TYPE: ClassVar[str] = "dev.tagstream.image.pruned.v1"

    run: str = ""
    image: str = ""
    pull_spec: str = ""


class PruneCompleted(Fact):
    """A run of the pruner has ended; also one that found nothing to remove."""

    TYPE: ClassVar[str] = "dev.tagstream.prune.completed.v1"

    run: str = ""
    images: Int32 = 0
    items: Int32 = 0
    streams: Int32 = 0
    keep_tag_revisions: Int32 = 0
    keep_younger_than: str = ""
    all_images: bool = False
    scheduled: bool = False
    pruned_namespace: str = ""
    over_size_limit: bool = False


FACTS: Final[Mapping[str, type[Fact]]] = MappingProxyType(
    {
        fact.TYPE: fact
        for fact in (
            TagChanged,
            TagDeleted,
            ImportRequested,
            ImportCompleted,
            ImportFailed,
            TriggerFired,
            TriggerSkipped,
            TriggerFailed,
            TriggersPaused,
            TriggersResumed,
            ImagePruned,
            PruneCompleted,
        )
    }
)


def fact_data(fact: Fact, position: int | None = None) -> dict[str, object]:
    """The fact as proto3 JSON, as its row keeps it and NATS carries it.

    The journal calls this under its lock, with the position it has just taken.
    """
    return fact.to_data(position)


def parse_fact(event_type: str, data: bytes | Mapping[str, object]) -> Fact:
    """Read a fact's data. Raises InvalidInput for an unknown type or data that does not fit."""
    if event_type not in FACTS:
        raise InvalidInput("type", f"{event_type!r} is not a fact this release knows")
    return FACTS[event_type].parse(data)
