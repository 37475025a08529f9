"""From what an importer found to what that means for tags: the bridge between import_request.py
and imports.py (spec/image-api-and-import.md §6.3 step 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.image_stream import ImportMode, ImportPolicy
from tagstream.streams.import_request import ImageImportResult, ImportStatus
from tagstream.streams.imports import ImportedImage, ImportFailure, TagImport


def outcome_of(result: ImageImportResult) -> ImportedImage | ImportFailure:
    """What one result says of its tag."""
    if result.image is not None and result.status.ok:
        return ImportedImage(_most_specific(result.image.reference), result.image.digest)
    return _failure(result.status)


def _failure(status: ImportStatus) -> ImportFailure:
    return ImportFailure(status.reason, status.message)


def _most_specific(reference: str) -> str:
    try:
        return parse_image_reference(reference).most_specific.exact
    except InvalidReference:
        return reference


def repository_tag_imports(
    repository: str,
    policy: ImportPolicy,
    reference_policy: str,
    results: Sequence[ImageImportResult],
) -> list[TagImport]:
    """The tags of a repository import: each from its own pull spec; a failed one makes no tag."""
    return [
        TagImport(
            tag=result.tag,
            from_name=f"{repository}:{result.tag}",
            import_policy=policy,
            reference_policy=reference_policy,
            outcome=outcome_of(result),
            creates_tag_on_failure=False,
        )
        for result in results
        if result.tag
    ]


def policy_from_json(part: Mapping[str, object]) -> ImportPolicy:
    """The importPolicy of a request, defaults filled in."""
    policy = part.get("importPolicy")
    fields = policy if isinstance(policy, Mapping) else {}
    return ImportPolicy(
        insecure=bool(fields.get("insecure")),
        scheduled=bool(fields.get("scheduled")),
        import_mode=str(fields.get("importMode") or ImportMode.LEGACY),
    )
