"""How one observation changes one tag's history. Source of every rule: §3.6 and §3.7 of
spec/image-api-and-import.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tagstream.streams.image_stream import (
    ConditionType,
    TagEvent,
    TagEventCondition,
    TagHistory,
)


def add_event(history: TagHistory, event: TagEvent) -> TagHistory:
    """The history after `event` was observed; the same object when nothing changes.

    Only the head is compared: an image that the tag left and came back to is prepended again,
    which is what makes a rollback visible. `created` of a head that is merely confirmed, or
    corrected in place, stays as it was.
    """
    head = history.head
    if head is None:
        return TagHistory(history.tag, (event,))
    same_reference = head.docker_image_reference == event.docker_image_reference
    same_image = head.image == event.image
    if not same_reference and not same_image:
        return TagHistory(history.tag, (event, *history.items))
    if same_reference and same_image and head.generation == event.generation:
        return history
    corrected = replace(event, created=head.created)
    return TagHistory(history.tag, (corrected, *history.items[1:]))


def import_failure(reason: str, message: str, generation: int, now: datetime) -> TagEventCondition:
    """The condition that a failed import leaves (§3.6)."""
    return TagEventCondition(
        type=ConditionType.IMPORT_SUCCESS,
        status="False",
        last_transition_time=now,
        reason=reason,
        message=message or "unknown error prevented import",
        generation=generation,
    )


def has_same_condition(history: TagHistory, condition: TagEventCondition) -> bool:
    """Whether the tag already says exactly this, whenever it was said."""
    return any(
        (c.type, c.status, c.reason, c.message)
        == (condition.type, condition.status, condition.reason, condition.message)
        for c in history.conditions
    )


def set_condition(history: TagHistory, condition: TagEventCondition) -> TagHistory:
    """The history with `condition` as its only one; items stay: the known-good image remains."""
    return replace(history, conditions=(condition,))


def clear_conditions(history: TagHistory) -> TagHistory:
    return replace(history, conditions=()) if history.conditions else history
