"""Writes of the status alone: what a pusher records and a pruner shortens (spec §1.4, §5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.followers import propagate
from tagstream.streams.image_stream import ImageStream, TagEvent, TagHistory
from tagstream.streams.problems import InvalidStream, Problem, invalid, required
from tagstream.streams.tag_history import add_event


def decide_status_update(before: ImageStream, wanted: ImageStream) -> ImageStream:
    """The stream with the histories of `wanted`; its spec, metadata and generation stay.

    A new head of generation 0 gets the generation it belongs to; of several conditions of a tag
    the last stays, since there is only one kind (§3.6). Raises InvalidStream.
    """
    kept = {t: h for t, h in wanted.status_tags.items() if not h.is_blank}
    histories = {tag: _with_generation(before, history) for tag, history in kept.items()}
    problems = [p for tag in sorted(histories) for p in _problems(before, histories[tag])]
    if problems:
        raise InvalidStream(problems)
    return replace(before, status_tags=MappingProxyType(histories))


def decide_mapping(before: ImageStream, tag: str, event: TagEvent) -> ImageStream:
    """The stream after an image was pushed to `tag`; `before` itself when it was there already.

    The spec is not touched. Followers follow in the same write (§5 step 6).
    """
    history = add_event(before.history(tag), event)
    if history is before.status_tags.get(tag):
        return before
    histories = {**before.status_tags, tag: history}
    return propagate(replace(before, status_tags=MappingProxyType(histories)), [tag])


def decide_shortened(before: ImageStream, gone: Mapping[str, Collection[int]]) -> ImageStream:
    """The stream without some items, given by tag and place (0 is the head).

    A tag that is left without items loses its status whole; the spec is not touched, and followers
    are not: each tag is shortened by its own history (spec/triggers-lookup-pruning.md D4).
    """
    histories = dict(before.status_tags)
    for tag, places in gone.items():
        history = before.history(tag)
        items = tuple(item for at, item in enumerate(history.items) if at not in places)
        if items:
            histories[tag] = replace(history, items=items)
        else:
            histories.pop(tag, None)
    return replace(before, status_tags=MappingProxyType(histories))


def _with_generation(before: ImageStream, history: TagHistory) -> TagHistory:
    history = replace(history, conditions=history.conditions[-1:])
    head = history.head
    if head is None or head.generation:
        return history
    old = before.head(history.tag)
    ref = before.spec_tags.get(history.tag)
    same = old is not None and (old.docker_image_reference, old.image) == (
        head.docker_image_reference,
        head.image,
    )
    generation = before.generation
    if old is not None and not same and ref is not None and ref.generation:
        generation = ref.generation
    return replace(history, items=(replace(head, generation=generation), *history.items[1:]))


def _problems(before: ImageStream, history: TagHistory) -> list[Problem]:
    known = set(before.history(history.tag).items)
    problems = []
    for index, item in enumerate(history.items):
        if item in known:
            continue
        field = f"status.tags[{history.tag}].items[{index}].dockerImageReference"
        if not item.docker_image_reference:
            problems.append(required(field))
            continue
        try:
            parse_image_reference(item.docker_image_reference)
        except InvalidReference as error:
            problems.append(invalid(field, item.docker_image_reference, str(error)))
    return problems
