"""The status of an ImageStreamImport: one entry for each image that was asked for (spec §6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tagstream.api.wire.json_types import JsonObject
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    RepositoryImportResult,
)
from tagstream.streams.json_form import format_time


@dataclass(frozen=True, slots=True)
class Storing:
    """What storing an import did to its images. `new_versions` are those of the images that came
    with it, by digest."""

    at: datetime
    new_versions: Mapping[str, int]
    uid_of: Callable[[str], str]


def answer_image(
    result: ImageImportResult, asked: JsonObject, storing: Storing | None
) -> JsonObject:
    """Stored images never show their manifest (§6.3 step 11), and alone have an identity."""
    body: JsonObject = {"status": result.status.to_v1()}
    include = bool(asked.get("includeManifest")) and storing is None
    if result.image is not None:
        body["image"] = _image(result.image, storing, include=include)
    if result.tag:
        body["tag"] = result.tag
    if result.manifests:
        body["manifests"] = [_image(child, storing, include=include) for child in result.manifests]
    return body


def answer_repository(
    result: RepositoryImportResult, asked: JsonObject, storing: Storing | None
) -> JsonObject:
    body: JsonObject = {"status": result.status.to_v1()}
    if result.images:
        body["images"] = [answer_image(i, asked, storing) for i in result.images]
    if result.additional_tags:
        body["additionalTags"] = list(result.additional_tags)
    return body


def _image(image: FetchedImage, storing: Storing | None, *, include: bool) -> JsonObject:
    body: dict[str, Any] = dict(image.body)
    if storing is not None:
        body["metadata"] = {**body["metadata"], **_identity(image.digest, storing)}
    if include:
        body["dockerImageManifest"] = image.raw_manifest.decode("utf-8", "replace")
        if image.raw_config:
            body["dockerImageConfig"] = image.raw_config.decode("utf-8", "replace")
    return body


def _identity(digest: str, storing: Storing) -> JsonObject:
    """An image that was there before shows the identity it would have got, and no version."""
    identity: JsonObject = {"uid": storing.uid_of(digest)}
    if digest in storing.new_versions:
        identity["resourceVersion"] = str(storing.new_versions[digest])
    identity["creationTimestamp"] = format_time(storing.at)
    return identity
