"""The status of an ImageStreamImport: one entry for each image that was asked for (spec §6.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tagstream.api.wire.json_types import JsonObject
from tagstream.streams.import_request import (
    FetchedImage,
    ImageImportResult,
    RepositoryImportResult,
)
from tagstream.streams.json_form import format_time


def answer_image(
    result: ImageImportResult, asked: JsonObject, now: datetime, *, stored: bool
) -> JsonObject:
    """`stored` images never show their manifest (§6.3 step 11)."""
    body: JsonObject = {"status": result.status.to_v1()}
    include = bool(asked.get("includeManifest")) and not stored
    if result.image is not None:
        body["image"] = _image(result.image, now, include=include)
    if result.tag:
        body["tag"] = result.tag
    if result.manifests:
        body["manifests"] = [_image(child, now, include=include) for child in result.manifests]
    return body


def answer_repository(
    result: RepositoryImportResult, asked: JsonObject, now: datetime, *, stored: bool
) -> JsonObject:
    body: JsonObject = {"status": result.status.to_v1()}
    if result.images:
        body["images"] = [answer_image(i, asked, now, stored=stored) for i in result.images]
    if result.additional_tags:
        body["additionalTags"] = list(result.additional_tags)
    return body


def _image(image: FetchedImage, now: datetime, *, include: bool) -> JsonObject:
    body: dict[str, Any] = dict(image.body)
    body["metadata"] = {**body["metadata"], "creationTimestamp": format_time(now)}
    if include:
        body["dockerImageManifest"] = image.raw_manifest.decode("utf-8", "replace")
        if image.raw_config:
            body["dockerImageConfig"] = image.raw_config.decode("utf-8", "replace")
    return body
