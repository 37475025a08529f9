"""What a recording ends with, as far as it must not depend on how its messages travelled.

Generations, times, numbers and authors of rows are left out: an import that comes before a write
instead of after it takes the lower generation, and both are right. What they are for is kept: which
tags still wait for an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tagstream.replay.recording import Json, Line
from tagstream.streams.imports import CHECK_ANNOTATION

Image = tuple[str, str]
"""Digest and pull spec."""

Field = tuple[str, str, str, str]
"""Kind, namespace and name of a workload, and the path of one of its images."""


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """One stream. `spec` has what is wanted of it and each of its tags, `waiting` the tags that
    wait for an import, `histories` the images of each tag, newest first, `failures` why the last
    import of a tag failed."""

    spec: Mapping[str, object]
    waiting: frozenset[str]
    histories: Mapping[str, Sequence[Image]]
    failures: Mapping[str, Sequence[str]]

    @property
    def heads(self) -> dict[str, Image]:
        return {tag: items[0] for tag, items in self.histories.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything. `images` are the digests that are stored."""

    streams: Mapping[str, StreamOutcome]
    images: frozenset[str]
    workloads: Mapping[Field, str] = field(default_factory=dict)


def read_outcome(lines: Iterable[Line], workloads: Mapping[Field, str]) -> Outcome:
    """From the rows at the end of a recording that begins with an empty database."""
    streams: dict[str, StreamOutcome] = {}
    images: frozenset[str] = frozenset()
    for line in lines:
        if line.kind != "rows":
            continue
        if line.body["rows"] == "stream" and line.body["stream"] is not None:
            namespace, name, *_ = line.body["stream"]
            streams[f"{namespace}/{name}"] = _read_stream(line.body)
        elif line.body["rows"] == "images":
            images = frozenset(row[0] for row in line.body["images"] if row[1] is not None)
    return Outcome(streams, images, workloads)


def _read_stream(rows: Json) -> StreamOutcome:
    histories = _histories(rows["tag_items"])
    reached = _reached(rows)
    waiting = {
        tag
        for tag, generation, _, _, body in rows["spec_tags"]
        if (generation or 0) > reached.get(tag, 0) and _is_importable(body)
    }
    failures: dict[str, list[str]] = {}
    for tag, kind, status, reason, *_ in rows["tag_conditions"]:
        failures.setdefault(tag, []).append(f"{kind}={status}: {reason}")
    return StreamOutcome(_spec(rows), frozenset(waiting), histories, failures)


def _spec(rows: Json) -> dict[str, object]:
    _, _, _, _, _, is_local, repository, metadata = rows["stream"]
    annotations = metadata.get("annotations") or {}
    kept = {k: v for k, v in annotations.items() if k != CHECK_ANNOTATION}
    tags = {
        tag: {key: value for key, value in body.items() if key != "generation"}
        for tag, _, _, _, body in rows["spec_tags"]
    }
    return {
        "tags": tags,
        "lookupLocal": is_local,
        "repository": repository,
        "labels": metadata.get("labels") or {},
        "annotations": kept,
        "checked": CHECK_ANNOTATION in annotations,
    }


def _histories(items: Sequence[Sequence[Any]]) -> dict[str, list[Image]]:
    """Rows come by tag and number; those that were retired are over."""
    found: dict[str, list[Image]] = {}
    for tag, _, _, reference, image, *_, retired_by in items:
        if not retired_by:
            found.setdefault(tag, []).insert(0, (image, reference))
    return found


def _reached(rows: Json) -> dict[str, int]:
    """The highest generation that each tag's images and conditions know of."""
    reached: dict[str, int] = {}
    live = [(item[0], item[5]) for item in rows["tag_items"] if not item[-1]]
    for tag, generation in [*live, *((c[0], c[5]) for c in rows["tag_conditions"])]:
        reached[tag] = max(reached.get(tag, 0), generation)
    return reached


def _is_importable(body: Json) -> bool:
    return (body.get("from") or {}).get("kind") == "DockerImage" and not body.get("reference")
