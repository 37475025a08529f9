"""Which imports to order for a stream, and the orders that were made.

Owns the choice of tags (spec/image-api-and-import.md §7.1, §7.3) and their grouping: one order asks
one registry host, so that a slow one delays nobody else. What a result does to a tag is imports.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, cast

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    TagReference,
)
from tagstream.streams.import_request import (
    ImageImportSpec,
    ImportRequest,
    RepositoryImportSpec,
)
from tagstream.streams.imports import CHECK_ANNOTATION, tags_needing_import
from tagstream.streams.tags import will_move_again

PREFER_OS = "importer.image.openshift.io/prefer-os"
PREFER_ARCH = "importer.image.openshift.io/prefer-arch"

INSECURE_REPOSITORY = "openshift.io/image.insecureRepository"

MAX_TAGS_PER_ORDER = 500
"""Bounds one order's messages to well under what NATS carries, and one write's size."""


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """An import to order: the tags of one stream at one registry host.

    `host` is empty for references that do not parse, whose import fails with the reason.
    `generations` holds each tag's generation that is meant, 0 where it has none; it is empty for
    the import of a stream's whole repository, which alone names no tag.
    """

    host: str
    request: ImportRequest
    generations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OrderedImport:
    """An order that was made. `request` is the JSON form of an ImportRequest."""

    id: str
    stream_uid: str
    namespace: str
    stream: str
    host: str
    request: Mapping[str, object]
    generations: Mapping[str, int]
    scheduled: bool

    def to_json(self) -> dict[str, object]:
        """For the arguments of a command; `from_json` is its inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, body: Mapping[str, object]) -> OrderedImport:
        return cls(**cast("dict[str, Any]", dict(body)))


def make_orders(
    command_id: str, stream: ImageStream, orders: Iterable[ImportOrder], *, scheduled: bool
) -> list[OrderedImport]:
    """The orders of one command, with ids that follow from it."""
    return [
        OrderedImport(
            id=str(uuid.uuid5(uuid.UUID(command_id), f"{number} {order.host}")),
            stream_uid=stream.uid,
            namespace=stream.namespace,
            stream=stream.name,
            host=order.host,
            request=order.request.to_json(),
            generations=order.generations,
            scheduled=scheduled,
        )
        for number, order in enumerate(orders)
    ]


def tags_to_import(stream: ImageStream) -> list[str]:
    """The loaded tags that must be imported now, by name (§7.1).

    Tags without a generation come along when others are due, or when the stream was never checked.
    """
    due = tags_needing_import(stream)
    if not due and CHECK_ANNOTATION in stream.metadata.annotations:
        return []
    along = [t for t, r in stream.spec_tags.items() if r.is_importable and r.generation is None]
    return sorted({*due, *along})


def wants_repository(stream: ImageStream) -> bool:
    """Whether `spec.dockerImageRepository` waits for its one import (§6.10)."""
    return bool(stream.docker_image_repository) and (
        CHECK_ANNOTATION not in stream.metadata.annotations
    )


def tags_to_check(stream: ImageStream) -> list[str]:
    """The loaded tags that a schedule looks at again, by name (§7.3).

    One that names a digest is looked at only until it was imported: it cannot move.
    """
    return [tag for tag in sorted(stream.spec_tags) if _is_worth_checking(stream, tag)]


def _is_worth_checking(stream: ImageStream, tag: str) -> bool:
    ref = stream.spec_tags[tag]
    if not will_move_again(stream, tag) or ref.source is None:
        return False
    try:
        reference = parse_image_reference(ref.source.name)
    except InvalidReference:
        return False
    head = stream.head(tag)
    return not reference.digest or head is None or (ref.generation or 0) > head.generation


def decide_orders(
    stream: ImageStream,
    tags: Iterable[str],
    under_way: Iterable[Mapping[str, int]],
    *,
    deadline_s: float,
) -> list[ImportOrder]:
    """The orders for these loaded tags, by host.

    `under_way` holds the generations of the imports that are not applied yet: a tag that one of
    them covers is left out.
    """
    covered = {item for generations in under_way for item in generations.items()}
    by_host: dict[str, list[TagReference]] = {}
    for tag in tags:
        ref = stream.spec_tags[tag]
        if (tag, ref.generation or 0) not in covered:
            by_host.setdefault(_host_of(ref), []).append(ref)
    return [
        ImportOrder(
            host,
            ImportRequest(
                namespace=stream.namespace,
                stream=stream.name,
                images=tuple(_image_spec(ref) for ref in part),
                deadline_s=deadline_s,
            ),
            {ref.name: ref.generation or 0 for ref in part},
        )
        for host in sorted(by_host)
        for part in _parts(by_host[host])
    ]


def decide_all_orders(
    stream: ImageStream,
    under_way: Sequence[Mapping[str, int]],
    *,
    scheduled: bool,
    deadline_s: float,
) -> list[ImportOrder]:
    """What a stream needs now: what waits for an import, or what its schedule looks at."""
    tags = tags_to_check(stream) if scheduled else tags_to_import(stream)
    orders = decide_orders(stream, tags, under_way, deadline_s=deadline_s)
    whole = decide_repository_order(stream, under_way, deadline_s=deadline_s)
    return orders if whole is None or scheduled else [*orders, whole]


def decide_repository_order(
    stream: ImageStream, under_way: Iterable[Mapping[str, int]], *, deadline_s: float
) -> ImportOrder | None:
    """The order for a stream's repository; None when it is not due, or under way."""
    if not wants_repository(stream) or any(not generations for generations in under_way):
        return None
    insecure = stream.metadata.annotations.get(INSECURE_REPOSITORY) == "true"
    repository = RepositoryImportSpec(stream.docker_image_repository, insecure=insecure)
    request = ImportRequest(
        stream.namespace, stream.name, repository=repository, deadline_s=deadline_s
    )
    return ImportOrder(_host(stream.docker_image_repository), request, {})


def _parts(refs: Sequence[TagReference]) -> Iterator[list[TagReference]]:
    rest = iter(refs)
    while part := list(islice(rest, MAX_TAGS_PER_ORDER)):
        yield part


def _host_of(ref: TagReference) -> str:
    return _host(ref.source.name if ref.source else "")


def _host(pull_spec: str) -> str:
    try:
        return parse_image_reference(pull_spec).network_host
    except InvalidReference:
        return ""


def _image_spec(ref: TagReference) -> ImageImportSpec:
    annotations = ref.annotations or {}
    return ImageImportSpec(
        from_name=ref.source.name if ref.source else "",
        to_tag=ref.name,
        insecure=ref.import_policy.insecure,
        import_mode=ImportMode(ref.import_policy.import_mode),
        prefer_os=annotations.get(PREFER_OS, ""),
        prefer_arch=annotations.get(PREFER_ARCH, ""),
    )
