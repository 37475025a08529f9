"""Between image.openshift.io/v1 as it is on the wire and the values that decisions take.

Reading takes bodies whose types were checked (schema). Source of every field:
spec/image-api-and-import.md §1.4, §1.5, §1.7 to §1.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tagstream.api.wire.json_types import JsonObject
from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.store.images import StoredImage
from tagstream.store.tag_views import TagView
from tagstream.streams.image_stream import (
    ImageStream,
    StreamMetadata,
    TagHistory,
    TagReference,
)
from tagstream.streams.json_form import (
    condition_from_json,
    condition_to_json,
    event_from_json,
    event_to_json,
    format_time,
    metadata_to_json,
    reference_from_json,
    reference_to_json,
)
from tagstream.streams.pull_spec import repository_of, resolve_pull_spec

GROUP = "image.openshift.io"
API_VERSION = f"{GROUP}/v1"
EMPTY_IMAGE_METADATA: Mapping[str, Any] = MappingProxyType(
    {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": "",
        "Created": None,
        "ContainerConfig": {},
    }
)


@dataclass(frozen=True, slots=True)
class RegistryNames:
    """Hosts of the integrated registry, inside and outside the cluster; "" for none (§4.1)."""

    internal: str = ""
    external: str = ""


_SOURCE_POLICY = {"type": "Source"}


def stream_to_wire(stream: ImageStream, names: RegistryNames) -> JsonObject:
    """The whole object, repository fields computed now."""
    return stream_around_tags(
        stream,
        names,
        [reference_to_json(stream.spec_tags[tag]) for tag in sorted(stream.spec_tags)],
        [history_to_wire(stream.status_tags[tag]) for tag in sorted(stream.status_tags)],
    )


def stream_around_tags(
    stream: ImageStream,
    names: RegistryNames,
    spec_tags: Sequence[object],
    status_tags: Sequence[object],
) -> JsonObject:
    """The whole object with ready entries of `spec.tags` and `status.tags`, sorted by tag.

    An entry depends on nothing but its TagReference or TagHistory, so it may be kept.
    """
    status: JsonObject = {
        "dockerImageRepository": repository_of(
            stream.namespace, stream.name, stream.docker_image_repository, names.internal
        )
    }
    if names.external:
        public = f"{names.external}/{stream.namespace}/{stream.name}"
        status["publicDockerImageRepository"] = public
    if status_tags:
        status["tags"] = status_tags
    return {
        "kind": "ImageStream",
        "apiVersion": API_VERSION,
        "metadata": stream_metadata_to_wire(stream, stream.name),
        "spec": _spec_to_wire(stream, spec_tags),
        "status": status,
    }


def stream_metadata_to_wire(stream: ImageStream, name: str) -> JsonObject:
    metadata: JsonObject = {"name": name, "namespace": stream.namespace, "uid": stream.uid}
    if stream.version:
        metadata["resourceVersion"] = str(stream.version)
    if stream.generation:
        metadata["generation"] = stream.generation
    metadata["creationTimestamp"] = format_time(stream.created_at)
    metadata.update(metadata_to_json(stream.metadata))
    return metadata


def _spec_to_wire(stream: ImageStream, tags: Sequence[object]) -> JsonObject:
    spec: JsonObject = {"lookupPolicy": {"local": stream.lookup_local}}
    if stream.docker_image_repository:
        spec["dockerImageRepository"] = _without_tag(stream.docker_image_repository)
    if tags:
        spec["tags"] = tags
    return spec


def _without_tag(repository: str) -> str:
    try:
        return parse_image_reference(repository).repository
    except InvalidReference:
        return repository


def history_to_wire(history: TagHistory) -> JsonObject:
    """One entry of `status.tags`; a tag without items says `items: null`."""
    body: JsonObject = {
        "tag": history.tag,
        "items": [event_to_json(e) for e in history.items] or None,
    }
    if history.conditions:
        body["conditions"] = [condition_to_json(c) for c in history.conditions]
    return body


def metadata_from_wire(metadata: JsonObject, before: StreamMetadata) -> StreamMetadata:
    """What a user may set of the metadata; the deletion mark stays the server's."""
    return replace(
        before,
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        finalizers=tuple(metadata.get("finalizers") or ()),
        owner_references=tuple(metadata.get("ownerReferences") or ()),
    )


def with_spec_from_wire(stream: ImageStream, body: JsonObject) -> ImageStream:
    """`stream` with the metadata and the spec of `body`. A tag named twice keeps the last."""
    spec = body.get("spec") or {}
    tags = {t.name: t for t in map(reference_from_json, spec.get("tags") or ())}
    return replace(
        stream,
        metadata=metadata_from_wire(body.get("metadata") or {}, stream.metadata),
        lookup_local=bool((spec.get("lookupPolicy") or {}).get("local")),
        docker_image_repository=spec.get("dockerImageRepository") or "",
        spec_tags=MappingProxyType(tags),
    )


def with_status_from_wire(stream: ImageStream, body: JsonObject) -> ImageStream:
    """`stream` with the status tags of `body` and nothing else of it (§1.4, status path)."""
    histories = {}
    for entry in (body.get("status") or {}).get("tags") or ():
        histories[entry["tag"]] = TagHistory(
            entry["tag"],
            tuple(event_from_json(item) for item in entry.get("items") or ()),
            tuple(condition_from_json(c) for c in entry.get("conditions") or ()),
        )
    return replace(stream, status_tags=MappingProxyType(histories))


def image_to_wire(image: StoredImage, *, embedded: bool = False) -> JsonObject:
    """The Image; inside another object it has neither kind nor apiVersion."""
    body: JsonObject = {} if embedded else {"kind": "Image", "apiVersion": API_VERSION}
    metadata: JsonObject = {"name": image.digest, "uid": image.uid}
    if image.version:
        metadata["resourceVersion"] = str(image.version)
    metadata["creationTimestamp"] = format_time(image.created_at)
    metadata.update(image.metadata)
    body["metadata"] = metadata
    body.update({k: v for k, v in image.body.items() if k != "metadata"})
    return body


def view_to_istag(view: TagView, names: RegistryNames) -> JsonObject:
    """The ImageStreamTag of a tag; with an empty image while none is known (§1.7).

    A reference tag has a head without an image, which shows here as no head.
    """
    if view.head is not None and not view.head.image:
        view = replace(view, head=None)
    metadata = _virtual_metadata(view)
    annotations = (view.reference_body or {}).get("annotations")
    if annotations:
        metadata["annotations"] = annotations
    body: JsonObject = {
        "kind": "ImageStreamTag",
        "apiVersion": API_VERSION,
        "metadata": metadata,
        "tag": view.reference_body,
        "generation": view.head.generation if view.head else 0,
        "lookupPolicy": {"local": view.lookup_local},
    }
    if view.condition is not None:
        body["conditions"] = [condition_to_json(view.condition)]
    body["image"] = _shown_image(view, names)
    return body


def _virtual_metadata(view: TagView) -> JsonObject:
    metadata: JsonObject = {
        "name": view.name,
        "namespace": view.namespace,
        "uid": view.uid,
        "resourceVersion": str(view.version),
        "creationTimestamp": format_time(view.head.created if view.head else view.created_at),
    }
    if view.labels:
        metadata["labels"] = view.labels
    return metadata


def _shown_image(view: TagView, names: RegistryNames) -> JsonObject:
    """The image without manifest and config, its reference by the tag's policy (§3.4), the tag's
    annotations laid over its own."""
    if view.image is None:
        digest = view.head.image if view.head else ""
        body: JsonObject = {
            "metadata": {"name": digest} if digest else {},
            "dockerImageMetadata": dict(EMPTY_IMAGE_METADATA),
            "dockerImageMetadataVersion": "1.0",
        }
    else:
        body = image_to_wire(view.image, embedded=True)
        body.pop("dockerImageManifest", None)
        body.pop("dockerImageConfig", None)
    if view.head is not None:
        body["dockerImageReference"] = view_pull_spec(view, names)
    overlay = (view.reference_body or {}).get("annotations")
    if overlay and view.image is not None:
        metadata = body["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **overlay}  # type: ignore[dict-item]
    return body


def view_pull_spec(view: TagView, names: RegistryNames) -> str:
    policy = (view.reference_body or {}).get("referencePolicy")
    if view.head is not None and (not policy or policy == _SOURCE_POLICY):
        # What resolve_pull_spec says too; a read need not parse the whole reference for it.
        return view.head.docker_image_reference
    repository = repository_of(view.namespace, view.stream, view.repository, names.internal)
    return resolve_pull_spec(view.head, view.reference, repository)


def tag_reference_from_wire(body: JsonObject | None, tag: str) -> TagReference | None:
    """A tag reference of a request, its name forced to `tag`."""
    return replace(reference_from_json(body), name=tag) if body is not None else None
