"""Which facts a write of an image stream means. Pure, so that no path can forget one and a replay
finds the same."""

from __future__ import annotations

from tagstream.events.facts import Fact, ImportRequested, TagChanged, TagDeleted
from tagstream.events.message import TagGeneration
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.import_orders import wants_repository
from tagstream.streams.imports import needs_import
from tagstream.streams.pull_spec import TagMove, find_moves
from tagstream.streams.tags import will_move_again

# A fact must fit into a NATS message. Who acts on one reads the stream, which names all its tags.
_MOST_TAGS_NAMED = 1000


def stream_facts(before: ImageStream, after: ImageStream, internal_registry: str) -> list[Fact]:
    """The facts of one write, in order, from two values loaded with the same tags. A stream that
    is made or deleted is compared with a blank one."""
    facts: list[Fact] = [_moved(after, m) for m in find_moves(before, after, internal_registry)]
    pending = [
        TagGeneration(tag=tag, generation=after.spec_tags[tag].generation or 0)
        for tag in sorted(after.spec_tags)
        if needs_import(after, tag) and before.spec_tags.get(tag) != after.spec_tags[tag]
    ]
    # A stream that is being made is compared with a blank one, which has its repository already.
    had_wish = before.generation > 0 and wants_repository(before)
    if pending or (wants_repository(after) and not had_wish):
        facts.append(
            ImportRequested(
                namespace=after.namespace,
                stream=after.name,
                stream_uid=after.uid,
                generation=after.generation,
                tags=tuple(pending[:_MOST_TAGS_NAMED]),
            )
        )
    return facts


def _moved(stream: ImageStream, move: TagMove) -> TagChanged | TagDeleted:
    old_policy = str(move.old_reference.reference_policy) if move.old_reference else ""
    if not move.new_pull_spec:
        return TagDeleted(
            namespace=stream.namespace,
            stream=stream.name,
            stream_uid=stream.uid,
            generation=stream.generation,
            tag=move.tag,
            old_image=move.old_head.image if move.old_head else "",
            old_pull_spec=move.old_pull_spec,
            tag_generation=move.old_head.generation if move.old_head else 0,
            old_reference_policy=old_policy,
        )
    return TagChanged(
        namespace=stream.namespace,
        stream=stream.name,
        stream_uid=stream.uid,
        generation=stream.generation,
        tag=move.tag,
        old_image=move.old_head.image if move.old_head else "",
        new_image=move.new_head.image if move.new_head else "",
        old_pull_spec=move.old_pull_spec,
        new_pull_spec=move.new_pull_spec,
        tag_generation=move.new_head.generation if move.new_head else 0,
        old_reference_policy=old_policy,
        new_reference_policy=(
            str(move.new_reference.reference_policy) if move.new_reference else ""
        ),
        scheduled=will_move_again(stream, move.tag),
    )
