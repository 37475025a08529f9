"""From what an importer found to what that means for tags: the bridge between import_request.py
and imports.py (spec/image-api-and-import.md §6.3 step 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.image_stream import ImportMode, ImportPolicy
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    ImportResult,
    ImportStatus,
)
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


def requested_tag_imports(spec: Mapping[str, Any], result: ImportResult) -> list[TagImport]:
    """The tags of an ImageStreamImport, from its spec with every default filled in."""
    imports: list[TagImport] = []
    repository = spec.get("repository")
    if repository is not None and result.repository is not None:
        imports += repository_tag_imports(
            repository["from"]["name"],
            policy_from_json(repository),
            repository["referencePolicy"]["type"],
            result.repository.images,
        )
    for image, found in zip(spec.get("images") or [], result.images, strict=True):
        if image.get("to"):
            imports.append(
                TagImport(
                    tag=image["to"]["name"],
                    from_name=image["from"]["name"],
                    import_policy=policy_from_json(image),
                    reference_policy=image["referencePolicy"]["type"],
                    outcome=outcome_of(found),
                )
            )
    return imports


def requested_images(spec: Mapping[str, Any], result: ImportResult) -> dict[str, FetchedImage]:
    """Images that a tag will name, and their children, by digest; what has no target is only
    reported."""
    asked = spec.get("images") or []
    found = [one for image, one in zip(asked, result.images, strict=True) if image.get("to")]
    if result.repository is not None:
        found += result.repository.images
    images: dict[str, FetchedImage] = {}
    for one in found:
        for image in (one.image, *one.manifests):
            if image is not None:
                images.setdefault(image.digest, image)
    return images


def policy_from_json(part: Mapping[str, object]) -> ImportPolicy:
    """The importPolicy of a request, defaults filled in."""
    policy = part.get("importPolicy")
    fields = policy if isinstance(policy, Mapping) else {}
    return ImportPolicy(
        insecure=bool(fields.get("insecure")),
        scheduled=bool(fields.get("scheduled")),
        import_mode=str(fields.get("importMode") or ImportMode.LEGACY),
    )
