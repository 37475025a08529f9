"""What a recording has to hold besides its entries: found by looking at each of them once. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from tagstream.images.image_object import GROUP
from tagstream.replay.act import IMAGES, STREAMS
from tagstream.replay.recording import Entry, Json, canonical
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.import_request import digests_named_by
from tagstream.streams.json_form import reference_from_json
from tagstream.streams.sources import needed_sources

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Survey:
    """`streams`: uid → namespace and name of each that changes. `sources`: namespace and name of
    those that commands look at: what tags refer to, what imports are ordered for. `images`: digest
    → its first change, None for one that is only named. `imports`: those that commands speak of;
    `ordered`: those that were ordered within. `ended`: uids of streams that are deleted."""

    streams: dict[str, tuple[str, str]] = field(default_factory=dict)
    sources: set[tuple[str, str]] = field(default_factory=set)
    images: dict[str, Json | None] = field(default_factory=dict)
    imports: dict[str, OrderedImport] = field(default_factory=dict)
    ordered: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    entries: int = 0
    last: int = 0

    def add(self, entry: Entry) -> None:
        self.entries += 1
        self.last = entry.position
        for change in entry.changes:
            self._add_change(change)
        self._add_arguments(entry)
        if entry.kind == "import.request":
            self.ordered |= {str(job["data"]["importId"]) for job in entry.jobs}

    def changed_images(self) -> list[str]:
        return sorted(digest for digest, change in self.images.items() if change is not None)

    def _add_change(self, change: Json) -> None:
        if change["group"] != GROUP:
            return
        if change["resource"] == STREAMS:
            self.streams[change["uid"]] = (change["namespace"], change["name"])
            self.sources |= _sources_of(change)
            if change["type"] == "DELETED":
                self.ended.add(change["uid"])
        elif change["resource"] == IMAGES and self.images.get(change["name"]) is None:
            # Of an image that came within the recording nothing else is asked for.
            is_new = change["type"] == "ADDED"
            self.images[change["name"]] = {"type": "ADDED"} if is_new else change

    def _add_arguments(self, entry: Entry) -> None:
        arguments = entry.arguments
        if "stream" in arguments:
            self.sources.add((arguments["namespace"], arguments["stream"]))
        if "import" in arguments:
            order = OrderedImport.from_json(arguments["import"])
            self.sources.add((order.namespace, order.stream))
            self.imports.setdefault(order.id, order)
            if entry.kind == "import.finish":
                self.finished.add(order.id)
        named = digests_named_by(arguments["result"]) if "result" in arguments else frozenset()
        if "digest" in arguments:
            named |= {arguments["digest"]}
        for digest in named:
            self.images.setdefault(digest, None)


def _sources_of(change: Json) -> set[tuple[str, str]]:
    """What the references of a stream's delta look up."""
    spec = cast("Mapping[str, list[Any]]", change["delta"]["spec"])
    after = [reference_from_json(sides[1]) for sides in spec.values() if sides[1] is not None]
    stream = ImageStream(change["namespace"], change["name"], change["uid"], _ANY_TIME)
    return {(query.namespace, query.stream) for query in needed_sources(stream, after)}


def without_body(change: Json) -> Json:
    """A change of a kind that is only kept, as a recording holds it: what happened to which
    object, and the SHA-256 of what it became. Bodies may hold what is nobody's business."""
    kept = {k: v for k, v in change.items() if k not in ("body", "delta")}
    if change["group"] == GROUP and change["resource"] in (STREAMS, IMAGES):
        return {k: v for k, v in change.items() if v is not None}
    return {**kept, "sha256": hashlib.sha256(canonical(change["body"])).hexdigest()}
