"""To which tags a finished import still applies, and what it does to them.

Which imports are ordered is import_orders.py; what one result does to one tag is imports.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tagstream.streams.image_stream import ImageStream, ImportPolicy, ReferencePolicy
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    ImportRequest,
    ImportResult,
)
from tagstream.streams.import_results import outcome_of, repository_tag_imports
from tagstream.streams.imports import ImportFailure, TagImport, decide_import
from tagstream.streams.problems import InvalidStream


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


@dataclass(frozen=True, slots=True)
class Applied:
    """What a finished import comes to. `failures` are sentences to tell, the first in full."""

    after: ImageStream
    results: Sequence[TagResult] = ()
    failures: Sequence[str] = field(default=())

    def images(self) -> dict[str, FetchedImage]:
        """The images that the tags will name, and their children, by digest."""
        found: dict[str, FetchedImage] = {}
        for result in self.results:
            for image in (result.found.image, *result.found.manifests):
                if image is not None:
                    found.setdefault(image.digest, image)
        return found


def decide_applied(
    stream: ImageStream,
    order: OrderedImport,
    result: ImportResult,
    now: datetime,
    internal_registry: str,
) -> Applied | None:
    """What the result means for the stream as it is now, loaded with `tags_of`; None when none of
    it counts any more."""
    request = ImportRequest.from_json(order.request)
    results = applicable_results(stream, request, order.generations, result)
    # A repository without any tag was looked at all the same, which the stream must say.
    if not results and request.repository is None:
        return None
    try:
        after = decide_import(stream, [r.tag_import for r in results], now, internal_registry)
    except InvalidStream as error:
        # The stream was valid when it was written; what the registry had does not fit into it.
        return Applied(stream, results, (str(error),))
    return Applied(after, results, _new_failures(stream, after, results))


def _new_failures(
    before: ImageStream, after: ImageStream, results: Iterable[TagResult]
) -> list[str]:
    return [
        f"{r.tag_import.tag}: {r.tag_import.outcome.message}"
        for r in results
        if isinstance(r.tag_import.outcome, ImportFailure)
        and before.history(r.tag_import.tag) != after.history(r.tag_import.tag)
    ]
