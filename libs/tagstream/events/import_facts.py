"""What is told and ordered of an import: one order, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tagstream.events.facts import ImportCompleted, ImportFact, ImportFailed
from tagstream.events.jobs import ImportTags
from tagstream.events.message import TagGeneration, TagResult
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.import_request import ImageImportResult, ImportRequest, ImportResult

_MESSAGE_MAX = 500


def import_job(order: OrderedImport, stream_generation: int) -> ImportTags:
    """The job for an importer; `stream_generation` 0 where the stream was not looked at."""
    return ImportTags(
        namespace=order.namespace,
        stream=order.stream,
        stream_uid=order.stream_uid,
        generation=stream_generation,
        import_id=order.id,
        host=order.host,
        tags=tuple(TagGeneration(tag=t, generation=g) for t, g in order.generations.items()),
        scheduled=order.scheduled,
    )


def import_fact(order: OrderedImport, result: ImportResult) -> ImportFact:
    """`import.completed` when at least one tag has an image, else `import.failed`."""
    request = ImportRequest.from_json(order.request)
    results = tuple(
        _tag_result(spec.to_tag or "", order.generations, found)
        for spec, found in zip(request.images, result.images, strict=True)
    )
    if result.repository is not None:
        results += tuple(_tag_result(i.tag, {}, i) for i in result.repository.images)
    kind = ImportCompleted if any(one.digest for one in results) else ImportFailed
    return kind(
        namespace=order.namespace,
        stream=order.stream,
        stream_uid=order.stream_uid,
        import_id=order.id,
        host=order.host,
        results=results,
    )


def _tag_result(tag: str, generations: Mapping[str, int], found: ImageImportResult) -> TagResult:
    generation = generations.get(tag, 0)
    if found.image is not None:
        return TagResult(tag=tag, generation=generation, digest=found.image.digest)
    status = found.status
    return TagResult(
        tag=tag, generation=generation, reason=status.reason, message=status.message[:_MESSAGE_MAX]
    )
