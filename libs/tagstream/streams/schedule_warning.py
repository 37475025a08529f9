"""What a person should know who moves a tag by hand that is imported on schedule.

OpenShift says nothing: a rollback of a scheduled tag either stops its schedule, or is undone by
the next check. Both surprise (docs/deviations.md, "Scheduled tags that are moved by hand").
"""

from __future__ import annotations

from dataclasses import replace

from tagstream.streams.image_stream import ImageStream, SourceKind
from tagstream.streams.sources import followed_tag
from tagstream.streams.tags import will_move_again

ANNOTATION = "tagstream.dev/scheduled-import"


def find_schedule_warning(before: ImageStream, after: ImageStream, tag: str) -> str | None:
    """One sentence, or None when the write of `tag` leaves nothing to warn of.

    `before` holds at least `tag` as it was; a tag that `tag` followed is judged when it is loaded.
    """
    if after.head(tag) == before.head(tag):
        return None
    if will_move_again(after, tag):
        return _undone(after, tag, tag) if _was_set_by_hand(before, after, tag) else None
    ref = after.spec_tags.get(tag)
    if ref is None or ref.source is None:
        return None
    followed = followed_tag(after.namespace, after.name, ref)
    if followed is not None and will_move_again(after, followed):
        return _undone(after, tag, followed)
    if will_move_again(before, tag) and ref.source.kind != SourceKind.DOCKER_IMAGE:
        old = before.spec_tags[tag]
        source = old.source.name if old.source is not None else ""
        insecure = " --insecure" if old.import_policy.insecure else ""
        return (
            f"tag {tag} was imported on schedule from {source}; it is now set by hand and its "
            f"schedule has ended. To resume it, which will move the tag again: "
            f"oc tag --scheduled{insecure} {source} {after.name}:{tag}"
        )
    return None


def _was_set_by_hand(before: ImageStream, after: ImageStream, tag: str) -> bool:
    """The image moved while the reference stayed: a push, not an import of a new wish."""
    return before.spec_tags.get(tag) == after.spec_tags.get(tag)


def _undone(stream: ImageStream, tag: str, scheduled: str) -> str:
    ref = stream.spec_tags[scheduled]
    source = ref.source.name if ref.source is not None else ""
    return (
        f"tag {tag} will move again: {scheduled} is imported on schedule from {source}, and the "
        f"next check sets it anew"
    )


def with_schedule_annotation(stream: ImageStream, warning: str) -> ImageStream:
    """The stream with the warning where `oc describe` shows it."""
    annotations = {**stream.metadata.annotations, ANNOTATION: warning}
    return replace(stream, metadata=replace(stream.metadata, annotations=annotations))


def without_outdated_warning(stream: ImageStream, tag: str) -> ImageStream:
    """The stream without a warning that was about `tag`, which was written anew."""
    is_about = stream.metadata.annotations.get(ANNOTATION, "").startswith(f"tag {tag} ")
    return _without_annotation(stream) if is_about else stream


def without_settled_warning(before: ImageStream, after: ImageStream) -> ImageStream:
    """The stream without a warning that a tag will move again, once an import has moved it."""
    warning = after.metadata.annotations.get(ANNOTATION)
    if warning is None:
        return after
    moved = (tag for tag in after.status_tags if after.head(tag) != before.head(tag))
    if any(warning.startswith(f"tag {tag} will move again") for tag in moved):
        return _without_annotation(after)
    return after


def _without_annotation(stream: ImageStream) -> ImageStream:
    annotations = {k: v for k, v in stream.metadata.annotations.items() if k != ANNOTATION}
    return replace(stream, metadata=replace(stream.metadata, annotations=annotations))
