"""The JSON form of tags, events, conditions and deltas, as image.openshift.io/v1 writes them.

One form for the wire, the rows and the journal, so that an answer is put together from what was
stored. Times are RFC 3339 in UTC with whole seconds. Reading trusts its input: it was validated
when it came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, cast

from tagstream.images.image_metadata import format_time as format_time
from tagstream.streams.delta import HistoryChange, SpecChange, StreamDelta, StreamHeader
from tagstream.streams.image_stream import (
    ImageStream,
    ImportMode,
    ImportPolicy,
    ReferencePolicy,
    StreamMetadata,
    TagEvent,
    TagEventCondition,
    TagReference,
    TagSource,
)

Json: TypeAlias = dict[str, object]
AnyJson: TypeAlias = Mapping[str, object]


def parse_time(text: str) -> datetime:
    """Raises ValueError for anything but RFC 3339 with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


def reference_to_json(ref: TagReference) -> Json:
    """One entry of `spec.tags`."""
    body: Json = {"name": ref.name, "annotations": dict(ref.annotations or {}) or None}
    if ref.source is not None:
        body["from"] = _source_to_json(ref.source)
    if ref.reference:
        body["reference"] = True
    body["generation"] = ref.generation
    policy: Json = {}
    if ref.import_policy.insecure:
        policy["insecure"] = True
    if ref.import_policy.scheduled:
        policy["scheduled"] = True
    policy["importMode"] = str(ref.import_policy.import_mode)
    body["importPolicy"] = policy
    body["referencePolicy"] = {"type": str(ref.reference_policy)}
    return body


def _source_to_json(source: TagSource) -> Json:
    body: Json = {"kind": source.kind}
    if source.namespace:
        body["namespace"] = source.namespace
    body["name"] = source.name
    body.update(source.extra)
    return body


def reference_from_json(body: AnyJson) -> TagReference:
    """Absent policies get their defaults (§1.4); `annotations: null` and `{}` are the same."""
    policy = cast(AnyJson, body.get("importPolicy") or {})
    reference_policy = cast(AnyJson, body.get("referencePolicy") or {})
    source = cast("Mapping[str, str] | None", body.get("from"))
    return TagReference(
        name=cast(str, body.get("name") or ""),
        source=source_from_json(source) if source is not None else None,
        annotations=cast("Mapping[str, str] | None", body.get("annotations")) or None,
        reference=bool(body.get("reference")),
        generation=cast("int | None", body.get("generation")),
        import_policy=ImportPolicy(
            insecure=bool(policy.get("insecure")),
            scheduled=bool(policy.get("scheduled")),
            import_mode=cast(str, policy.get("importMode")) or ImportMode.LEGACY,
        ),
        reference_policy=cast(str, reference_policy.get("type")) or ReferencePolicy.SOURCE,
    )


def source_from_json(body: Mapping[str, str]) -> TagSource:
    known = ("kind", "name", "namespace")
    return TagSource(
        kind=body.get("kind") or "",
        name=body.get("name") or "",
        namespace=body.get("namespace") or "",
        extra={k: v for k, v in body.items() if k not in known and v},
    )


def event_to_json(event: TagEvent) -> Json:
    """One entry of `status.tags[].items`."""
    return {
        "created": format_time(event.created),
        "dockerImageReference": event.docker_image_reference,
        "image": event.image,
        "generation": event.generation,
    }


def event_from_json(body: AnyJson) -> TagEvent:
    return TagEvent(
        created=parse_time(cast(str, body["created"])),
        docker_image_reference=cast(str, body.get("dockerImageReference") or ""),
        image=cast(str, body.get("image") or ""),
        generation=cast(int, body.get("generation") or 0),
    )


def condition_to_json(condition: TagEventCondition) -> Json:
    """One entry of `status.tags[].conditions`."""
    body: Json = {
        "type": condition.type,
        "status": condition.status,
        "lastTransitionTime": format_time(condition.last_transition_time),
    }
    if condition.reason:
        body["reason"] = condition.reason
    if condition.message:
        body["message"] = condition.message
    body["generation"] = condition.generation
    return body


def condition_from_json(body: AnyJson) -> TagEventCondition:
    return TagEventCondition(
        type=cast(str, body.get("type") or ""),
        status=cast(str, body.get("status") or ""),
        last_transition_time=parse_time(cast(str, body["lastTransitionTime"])),
        reason=cast(str, body.get("reason") or ""),
        message=cast(str, body.get("message") or ""),
        generation=cast(int, body.get("generation") or 0),
    )


def metadata_to_json(metadata: StreamMetadata) -> Json:
    """The part of object metadata that a stream keeps, empty fields left out."""
    body: Json = {}
    if metadata.labels:
        body["labels"] = dict(metadata.labels)
    if metadata.annotations:
        body["annotations"] = dict(metadata.annotations)
    if metadata.finalizers:
        body["finalizers"] = list(metadata.finalizers)
    if metadata.owner_references:
        body["ownerReferences"] = [dict(o) for o in metadata.owner_references]
    if metadata.deletion_timestamp is not None:
        body["deletionTimestamp"] = format_time(metadata.deletion_timestamp)
    return body


def metadata_from_json(body: AnyJson) -> StreamMetadata:
    deleted = cast("str | None", body.get("deletionTimestamp"))
    return StreamMetadata(
        labels=cast("Mapping[str, str]", body.get("labels") or {}),
        annotations=cast("Mapping[str, str]", body.get("annotations") or {}),
        finalizers=tuple(cast("Sequence[str]", body.get("finalizers") or ())),
        owner_references=tuple(
            cast("Sequence[Mapping[str, object]]", body.get("ownerReferences") or ())
        ),
        deletion_timestamp=parse_time(deleted) if deleted else None,
    )


def delta_to_json(delta: StreamDelta) -> Json:
    """The journal's form: both sides of everything the write touched."""
    body: Json = {"before": _header_to_json(delta.header_before)}
    if delta.header_after != delta.header_before:
        body["after"] = _header_to_json(delta.header_after)
    body["spec"] = {
        tag: [
            reference_to_json(side) if side is not None else None
            for side in (change.before, change.after)
        ]
        for tag, change in delta.spec.items()
    }
    body["status"] = {tag: _history_to_json(change) for tag, change in delta.status.items()}
    return body


def journal_delta(stream: ImageStream, delta: StreamDelta) -> Json:
    """A delta as a change of the journal keeps it: with the time the stream was made, so that the
    stream can be put together from its changes alone."""
    return {**delta_to_json(delta), "created": format_time(stream.created_at)}


def delta_from_json(body: AnyJson) -> StreamDelta:
    before = _header_from_json(cast(AnyJson, body["before"]))
    after = body.get("after")
    spec = cast("Mapping[str, tuple[AnyJson | None, AnyJson | None]]", body["spec"])
    status = cast("Mapping[str, Mapping[str, Sequence[AnyJson]]]", body["status"])
    return StreamDelta(
        before,
        _header_from_json(cast(AnyJson, after)) if after is not None else before,
        {
            tag: SpecChange(*(reference_from_json(s) if s is not None else None for s in sides))
            for tag, sides in spec.items()
        },
        {tag: _history_from_json(change) for tag, change in status.items()},
    )


def _header_to_json(header: StreamHeader) -> Json:
    return {
        "generation": header.generation,
        "metadata": metadata_to_json(header.metadata),
        "lookupLocal": header.lookup_local,
        "repository": header.docker_image_repository,
    }


def _header_from_json(body: AnyJson) -> StreamHeader:
    return StreamHeader(
        cast(int, body["generation"]),
        metadata_from_json(cast(AnyJson, body["metadata"])),
        cast(bool, body["lookupLocal"]),
        cast(str, body["repository"]),
    )


def _history_to_json(change: HistoryChange) -> Json:
    return {
        "removed": [event_to_json(e) for e in change.removed],
        "added": [event_to_json(e) for e in change.added],
        "conditionsBefore": [condition_to_json(c) for c in change.conditions_before],
        "conditionsAfter": [condition_to_json(c) for c in change.conditions_after],
    }


def _history_from_json(body: Mapping[str, Sequence[AnyJson]]) -> HistoryChange:
    return HistoryChange(
        tuple(event_from_json(e) for e in body["removed"]),
        tuple(event_from_json(e) for e in body["added"]),
        tuple(condition_from_json(c) for c in body["conditionsBefore"]),
        tuple(condition_from_json(c) for c in body["conditionsAfter"]),
    )
