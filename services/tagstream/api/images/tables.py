"""What `oc get` prints of our kinds: columns and cells (spec/image-api-and-import.md §8.7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tagstream.api.engine.kinds import TableFormat
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.table import Cell, Column, human_ago
from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.json_form import parse_time

_NAME = Column("Name", format="name", description="The name of the object in its namespace.")
_UPDATED = Column("Updated", description="When it last changed.")
# How long the list of tags may get before the rest is only counted.
_TAGS_WIDTH = 40
_SLACK = 10


def _ago(text: str | None, now: datetime) -> str:
    return human_ago(now - parse_time(text)) if text else ""


def _stream_cells(body: JsonObject, now: datetime) -> tuple[Cell, ...]:
    status = body.get("status") or {}
    repository = (
        status.get("publicDockerImageRepository")
        or (body.get("spec") or {}).get("dockerImageRepository")
        or status.get("dockerImageRepository")
        or ""
    )
    heads = {t["tag"]: (t.get("items") or [{}])[0].get("created") for t in status.get("tags") or ()}
    newest = max((created for created in heads.values() if created), default=None)
    return (body["metadata"]["name"], repository, _tag_list(heads), _ago(newest, now))


def _tag_list(heads: dict[str, str | None]) -> str:
    """Newest first; cut where it gets long, saying how many are left out."""
    ordered = sorted(heads)
    ordered.sort(key=lambda tag: heads[tag] or "", reverse=True)
    shown: list[str] = []
    width = 0
    for tag in ordered:
        longer = width + len(tag) + 1
        if longer > _TAGS_WIDTH:
            if _TAGS_WIDTH - width > _SLACK and longer - _TAGS_WIDTH <= _SLACK:
                shown.append(tag)
            break
        shown.append(tag)
        width = longer
    shown = shown or ordered[:1]
    hidden = len(ordered) - len(shown)
    return ",".join(shown) + (f" + {hidden} more..." if hidden else "")


def _istag_cells(body: JsonObject, now: datetime) -> tuple[Cell, ...]:
    image = body.get("image") or {}
    return (
        body["metadata"]["name"],
        image.get("dockerImageReference") or "",
        _ago(body["metadata"].get("creationTimestamp"), now),
        (image.get("metadata") or {}).get("name") or "",
    )


def _isimage_cells(body: JsonObject, now: datetime) -> tuple[Cell, ...]:
    image = body.get("image") or {}
    return (
        body["metadata"]["name"],
        _ago(body["metadata"].get("creationTimestamp"), now),
        image.get("dockerImageReference") or "",
        (image.get("metadata") or {}).get("name") or "",
    )


def _image_cells(body: JsonObject, now: datetime) -> tuple[Cell, ...]:
    return (body["metadata"]["name"], body.get("dockerImageReference") or "")


def _itag_cells(body: JsonObject, now: datetime) -> tuple[Cell, ...]:
    spec, status = body.get("spec"), body.get("status")
    items = (status or {}).get("items") or []
    conditions = (status or {}).get("conditions") or []
    times = [i["created"] for i in items[:1]] + [c["lastTransitionTime"] for c in conditions]
    return (
        body["metadata"]["name"],
        _itag_spec(spec, items),
        _itag_status(spec, items, conditions),
        len(items) if status is not None else None,
        _ago(max(times, default=None), now),
    )


def _itag_spec(spec: JsonObject | None, items: list[JsonObject]) -> str:
    if spec is None:
        return "Push"
    source: dict[str, Any] = spec.get("from") or {}
    if not source:
        return ""
    if source.get("kind") == "ImageStreamTag" and ":" not in source.get("name", ""):
        return "Track"
    if spec.get("reference"):
        return "Ref"
    if (spec.get("importPolicy") or {}).get("scheduled"):
        return "Scheduled"
    if items and items[0]["generation"] > (spec.get("generation") or 0):
        return "Push"
    return "Tag"


def _itag_status(
    spec: JsonObject | None, items: list[JsonObject], conditions: list[JsonObject]
) -> str:
    failed = [c for c in conditions if c.get("status") == "False"]
    if failed:
        return f"ImportFailed ({failed[0].get('reason', '')})"
    head = items[0] if items else None
    wanted = (spec or {}).get("generation") or 0
    if head is not None and 0 < head["generation"] < wanted:
        return "Importing"
    if head is not None:
        return f"image/{head['image']}" if head["image"] else str(head["dockerImageReference"])
    return _itag_source((spec or {}).get("from"))


def _itag_source(source: JsonObject | None) -> str:
    if source is None:
        return ""
    name = source.get("name", "")
    match source.get("kind"):
        case "DockerImage":
            try:
                return parse_image_reference(name).exact
            except InvalidReference:
                return "InvalidRefName"
        case "ImageStreamTag":
            space = source.get("namespace")
            return f"istag {space}/{name}" if space else f"istag/{name}"
        case "ImageStreamImage":
            return f"image/{name.rpartition('@')[2]}"
    return "InvalidRefKind"


def _columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    return (_NAME, *columns)


STREAMS = TableFormat(
    _columns(
        [
            Column("Image Repository", description="Where the images of the stream are found."),
            Column("Tags", description="The tags, the one that moved last first."),
            _UPDATED,
        ]
    ),
    _stream_cells,
)
STREAM_TAGS = TableFormat(
    _columns(
        [
            Column("Image Reference", description="What to pull to get the image."),
            _UPDATED,
            Column("Image Name", description="The image that the tag points to.", priority=1),
        ]
    ),
    _istag_cells,
)
IMAGE_TAGS = TableFormat(
    _columns(
        [
            Column("Spec", description="How the tag gets its image."),
            Column("Status", description="What the tag points to, or why it does not."),
            Column("History", type="number", description="How many images it has had."),
            _UPDATED,
        ]
    ),
    _itag_cells,
)
STREAM_IMAGES = TableFormat(
    _columns(
        [
            _UPDATED,
            Column("Image Reference", description="What to pull to get the image.", priority=1),
            Column("Image Name", description="The image's digest.", priority=1),
        ]
    ),
    _isimage_cells,
)
IMAGES = TableFormat(
    _columns([Column("Image Reference", description="What to pull to get the image.")]),
    _image_cells,
)
