"""Tells a person who moves a scheduled tag by hand: an annotation and an event on the stream."""

from __future__ import annotations

from tagstream.api.engine.context import RequestContext
from tagstream.api.images.convert import API_VERSION
from tagstream.api.images.stream_events import record_stream_event
from tagstream.store.journal import Transaction
from tagstream.streams.image_stream import ImageStream
from tagstream.streams.schedule_warning import find_schedule_warning, with_schedule_annotation

REASON = "ScheduledTagMovedByHand"


async def with_schedule_warning(
    ctx: RequestContext, tx: Transaction, before: ImageStream, after: ImageStream, tag: str
) -> ImageStream:
    """`after`, annotated when the write of `tag` ends a schedule or will be undone by one."""
    warning = find_schedule_warning(before, after, tag)
    if warning is None:
        return after
    await record_stream_event(tx, after, REASON, warning, ctx.second, API_VERSION)
    return with_schedule_annotation(after, warning)
