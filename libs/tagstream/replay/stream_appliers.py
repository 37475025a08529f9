"""Commands on image streams and images, applied again."""

from __future__ import annotations

from collections.abc import Mapping

from tagstream.replay.act import Act, Applier
from tagstream.replay.recording import Json
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.json_form import reference_from_json
from tagstream.streams.sources import followed_by, followed_tag, needed_sources
from tagstream.streams.spec_write import changed_tags
from tagstream.streams.status_write import decide_status_update
from tagstream.streams.stream_commands import (
    decide_deletion,
    decide_push,
    decide_spec,
    is_released,
    with_wish,
)


def _apply_wish(act: Act) -> None:
    """A write of the spec: of a whole stream, or of one tag of it."""
    arguments, world = act.arguments, act.world
    tag = arguments["tag"]
    held = act.find_stream()
    before: ImageStream | None = None
    if held is None:
        blank = ImageStream(
            arguments["namespace"], arguments["stream"], arguments["uid"], act.second
        )
        wanted = with_wish(blank, arguments["wish"])
    else:
        touched = _touched(held.stream, tag, arguments["wish"])
        removes = not tag or act.entry.kind == "imagestreamtag.delete"
        before = held.view(touched, whole_history=removes)
        wanted = with_wish(before, arguments["wish"])
    sources = world.sources(needed_sources(wanted, changed_tags(before, wanted)))
    written = decide_spec(before, wanted, sources, act.second, act.internal_registry, tag=tag)
    if held is None or before is None:
        act.create_stream(written.after)
    elif is_released(written.after):
        act.delete_stream(held)
    else:
        act.save_stream(held, before, written.after)


def _touched(stream: ImageStream, tag: str, wish: Json) -> set[str]:
    """What the write loaded: everything, or its tag and the one that it begins to follow."""
    if not tag:
        return {*stream.spec_tags, *stream.status_tags}
    _, wanted = wish["spec"].get(tag, (None, None))
    if wanted is None:
        return {tag}
    followed = followed_tag(stream.namespace, stream.name, reference_from_json(wanted))
    return {tag} if followed is None else {tag, followed}


def _apply_status(act: Act) -> None:
    held = act.stream()
    after = decide_status_update(held.stream, with_wish(held.stream, act.arguments["wish"]))
    if is_released(after):
        act.delete_stream(held)
    else:
        act.save_stream(held, held.stream, after)


def _apply_deletion(act: Act) -> None:
    held = act.stream()
    marked = decide_deletion(held.stream, act.second)
    if marked is None:
        act.delete_stream(held)
    else:
        act.save_stream(held, held.stream, marked)


def _apply_push(act: Act) -> None:
    arguments, held = act.arguments, act.stream()
    tag, digest = arguments["tag"], arguments["digest"]
    followed = followed_by(held.stream, tag)
    before = held.view([tag] if followed is None else [tag, followed])
    act.store_images({digest: arguments["image"]})
    written = decide_push(before, tag, arguments["reference"], digest, act.second)
    act.save_stream(held, before, written.after)


def _apply_image_creation(act: Act) -> None:
    act.store_images({act.arguments["name"]: act.arguments["body"]})


def _apply_image_update(act: Act) -> None:
    act.update_image(act.arguments["name"], act.arguments["body"])


def _apply_image_deletion(act: Act) -> None:
    act.delete_images([act.arguments["name"]])


APPLIERS: Mapping[str, Applier] = {
    "imagestream.create": _apply_wish,
    "imagestream.update": _apply_wish,
    "imagestream.status": _apply_status,
    "imagestream.delete": _apply_deletion,
    "housekeeping.delete-stream": _apply_deletion,
    "imagestreamtag.create": _apply_wish,
    "imagestreamtag.put": _apply_wish,
    "imagestreamtag.delete": _apply_wish,
    "imagetag.create": _apply_wish,
    "imagetag.put": _apply_wish,
    "imagestreammapping.create": _apply_push,
    "image.create": _apply_image_creation,
    "image.update": _apply_image_update,
    "image.delete": _apply_image_deletion,
}
