"""What was there before the first entry: lines of kind `base`, written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from tagstream.replay.recording import Json
from tagstream.replay.rows import time_text
from tagstream.replay.world import HeldImage, HeldImport, HeldStream, ItemRow, World
from tagstream.streams.delta import apply, diff
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_orders import OrderedImport
from tagstream.streams.json_form import delta_from_json, delta_to_json, parse_time
from tagstream.streams.stream_commands import blank_stream


def stream_base(
    stream: ImageStream, authors: Mapping[str, Sequence[Sequence[object]]], top: Mapping[str, int]
) -> dict[str, object]:
    """A stream as it was. `authors`: for each tag and each item of its history, newest first, its
    number, actor, cause and command; `top`: the highest number that each tag ever had."""
    return {
        "base": "stream",
        "namespace": stream.namespace,
        "name": stream.name,
        "uid": stream.uid,
        "version": stream.version,
        "createdAt": time_text(stream.created_at),
        "state": delta_to_json(diff(blank_stream(stream), stream)),
        "authors": authors,
        "top": top,
    }


def image_base(digest: str, image: HeldImage) -> dict[str, object]:
    return {
        "base": "image",
        "digest": digest,
        "uid": image.uid,
        "version": image.version,
        "createdAt": time_text(image.created_at),
        "body": image.body,
    }


def import_base(
    order: OrderedImport,
    requested_at: datetime,
    result: Mapping[str, object] | None,
    finished_at: datetime | None,
) -> dict[str, object]:
    return {
        "base": "import",
        "order": order.to_json(),
        "requestedAt": time_text(requested_at),
        "result": result,
        "finishedAt": time_text(finished_at) if finished_at is not None else None,
    }


def add_base(world: World, line: Json) -> None:
    """Puts what a line of kind `base` holds into the world."""
    match line["base"]:
        case "stream":
            world.add(_read_stream(line))
        case "image":
            world.images[line["digest"]] = HeldImage(
                line["uid"], line["version"], parse_time(line["createdAt"]), line["body"]
            )
        case "import":
            order = OrderedImport.from_json(line["order"])
            finished = line["finishedAt"]
            world.imports[order.id] = HeldImport(
                order,
                parse_time(line["requestedAt"]),
                line["result"],
                parse_time(finished) if finished is not None else None,
            )
        case other:
            raise ValueError(f"{other!r} is no base")


def _read_stream(line: Json) -> HeldStream:
    blank = ImageStream(
        line["namespace"],
        line["name"],
        line["uid"],
        parse_time(line["createdAt"]),
        version=line["version"],
    )
    stream = apply(blank, delta_from_json(line["state"]))
    live = {
        tag: [
            ItemRow(tag, cast(int, seq), event, actor, cause, command)
            for event, (seq, actor, cause, command) in zip(
                reversed(stream.history(tag).items), reversed(authors), strict=True
            )
        ]
        for tag, authors in line["authors"].items()
    }
    return HeldStream(stream, live, top=dict(line["top"]))
