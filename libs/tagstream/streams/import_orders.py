"""Which imports to order for a stream, and to which tags a finished one still applies.

Owns the choice of tags (spec/image-api-and-import.md §7.1, §7.3) and their grouping: one order asks
one registry host, so that a slow one delays nobody else. What a result does to a tag is imports.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    ImportPolicy,
    ReferencePolicy,
    TagReference,
)
from tagstream.streams.import_request import (
    ImageImportResult,
    ImageImportSpec,
    ImportRequest,
    ImportResult,
    RepositoryImportSpec,
)
from tagstream.streams.import_results import outcome_of, repository_tag_imports
from tagstream.streams.imports import CHECK_ANNOTATION, TagImport, tags_needing_import
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


@dataclass(frozen=True, slots=True)
class TagResult:
    """One tag of a finished import that still applies, with what was found for it."""

    tag_import: TagImport
    found: ImageImportResult


def applicable_results(
    stream: ImageStream,
    request: ImportRequest,
    generations: Mapping[str, int],
    result: ImportResult,
) -> list[TagResult]:
    """The results that still count: the tag is wanted as it was when the import was ordered.

    A tag that was deleted meanwhile is not brought back, and one that asks for something newer
    waits for that. Policies that changed without asking for an import are kept as they are now. Of
    a repository only the tags count that nobody wants otherwise.
    """
    applicable: list[TagResult] = []
    for spec, found in zip(request.images, result.images, strict=True):
        tag = spec.to_tag or ""
        ref = stream.spec_tags.get(tag)
        if ref is None or not ref.is_importable or ref.source is None:
            continue
        if (ref.generation or 0) != generations.get(tag):
            continue
        tag_import = TagImport(
            tag, ref.source.name, ref.import_policy, ref.reference_policy, outcome_of(found)
        )
        applicable.append(TagResult(tag_import, found))
    return applicable + _repository_results(stream, request, result)


def _repository_results(
    stream: ImageStream, request: ImportRequest, result: ImportResult
) -> list[TagResult]:
    asked, answer = request.repository, result.repository
    if asked is None or answer is None or asked.from_name != stream.docker_image_repository:
        return []
    found = [one for one in answer.images if one.tag and one.tag not in stream.spec_tags]
    imports = repository_tag_imports(
        asked.from_name, ImportPolicy(insecure=asked.insecure), ReferencePolicy.SOURCE, found
    )
    return [TagResult(one, image) for one, image in zip(imports, found, strict=True)]


def tags_of(generations: Mapping[str, int], result: ImportResult) -> set[str]:
    """The tags that a finished import may touch."""
    listed = result.repository.images if result.repository is not None else ()
    return {*generations, *(one.tag for one in listed if one.tag)}
