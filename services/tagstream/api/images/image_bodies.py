"""What of a submitted Image is kept (spec/image-api-and-import.md §1.5, §6.9).

An importer's images come ready made. A pusher may send the manifest and the config instead of what
follows from them; then it is derived here, and errors in deriving leave the image as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from tagstream.api.images.convert import EMPTY_IMAGE_METADATA, GROUP
from tagstream.api.wire.field_errors import invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import invalid
from tagstream.images.digest import verify_digest
from tagstream.images.image import derive_image, image_to_json
from tagstream.images.manifest import InvalidManifest, SingleManifest, parse_manifest
from tagstream.images.reference import InvalidReference, parse_image_reference

log = structlog.get_logger()
_KEPT = (
    "dockerImageReference",
    "dockerImageMetadata",
    "dockerImageMetadataVersion",
    "dockerImageManifest",
    "dockerImageLayers",
    "signatures",
    "dockerImageSignatures",
    "dockerImageManifestMediaType",
    "dockerImageConfig",
    "dockerImageManifests",
)
_BLOB_STORED = "image.openshift.io/manifestBlobStored"


def body_from_wire(wanted: JsonObject, prefix: str = "") -> JsonObject:
    """The body to store of a new Image. Raises 422; `prefix` is where the Image stands."""
    name = (wanted.get("metadata") or {}).get("name") or ""
    _check(wanted, name, prefix)
    metadata: JsonObject = {"name": name}
    for key in ("labels", "annotations"):
        if value := wanted["metadata"].get(key):
            metadata[key] = value
    body: JsonObject = {"metadata": metadata}
    body.update({key: wanted[key] for key in _KEPT if wanted.get(key)})
    body["dockerImageMetadata"] = normalized_metadata(body.get("dockerImageMetadata"))
    body.setdefault("dockerImageMetadataVersion", "1.0")
    body = _derived(body)
    if (metadata.get("annotations") or {}).get(_BLOB_STORED) == "true":
        body.pop("dockerImageManifest", None)
        body.pop("dockerImageConfig", None)
    return body


def normalized_metadata(given: Mapping[str, Any] | None) -> JsonObject:
    """Docker metadata as it is always shown: of our version, with what is never left out."""
    metadata = {**EMPTY_IMAGE_METADATA, **(given or {})}
    metadata["kind"] = "DockerImage"
    metadata["apiVersion"] = "image.openshift.io/1.0"
    return metadata


def updated_body(stored: Mapping[str, Any], wanted: JsonObject) -> JsonObject:
    """The stored body with the labels, annotations and signatures of `wanted`, and with its
    manifest and config if they hash to what the image says (§1.5, Update)."""
    body: JsonObject = dict(stored)
    metadata: JsonObject = {"name": stored["metadata"]["name"]}
    for key in ("labels", "annotations"):
        if value := (wanted.get("metadata") or {}).get(key):
            metadata[key] = value
    body["metadata"] = metadata
    _take(body, wanted, "signatures")
    if _hashes(wanted.get("dockerImageManifest"), metadata["name"]):
        _take(body, wanted, "dockerImageManifest")
    if _hashes(wanted.get("dockerImageConfig"), body["dockerImageMetadata"].get("Id")):
        _take(body, wanted, "dockerImageConfig")
    return body


def _take(body: JsonObject, wanted: JsonObject, key: str) -> None:
    if wanted.get(key):
        body[key] = wanted[key]
    else:
        body.pop(key, None)


def _hashes(text: str | None, digest: str | None) -> bool:
    return bool(text and digest) and verify_digest(str(text).encode(), str(digest))


def _check(wanted: JsonObject, name: str, prefix: str) -> None:
    field = f"{prefix}dockerImageReference"
    reference = wanted.get("dockerImageReference") or ""
    errors = []
    if not reference:
        errors.append(required_value(field))
    else:
        try:
            parse_image_reference(reference)
        except InvalidReference as error:
            errors.append(invalid_value(field, reference, str(error)))
    if wanted.get("dockerImageLayers") and wanted.get("dockerImageManifests"):
        detail = "dockerImageLayers should not be set when dockerImageManifests is set"
        errors.append(
            invalid_value(f"{prefix}dockerImageLayers", wanted["dockerImageLayers"], detail)
        )
    if errors:
        raise invalid("ImageStreamMapping" if prefix else "Image", GROUP, name, errors)


def _derived(body: JsonObject) -> JsonObject:
    manifest_text, config_text = body.get("dockerImageManifest"), body.get("dockerImageConfig")
    if not manifest_text:
        return body
    try:
        reference = parse_image_reference(body["dockerImageReference"])
        media_type = body.get("dockerImageManifestMediaType") or ""
        manifest = parse_manifest(manifest_text.encode(), media_type)
        if not isinstance(manifest, SingleManifest):
            return body
        derived: JsonObject = image_to_json(
            derive_image(reference, manifest, (config_text or "").encode())
        )
    except (InvalidManifest, InvalidReference) as error:
        log.info("image metadata not derived", image=body["metadata"]["name"], error=str(error))
        return body
    derived["metadata"] = {
        **body["metadata"],
        "annotations": {
            **(body["metadata"].get("annotations") or {}),
            **(derived["metadata"].get("annotations") or {}),
        },
    }
    return {**body, **derived, "dockerImageReference": body["dockerImageReference"]}
