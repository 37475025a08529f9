"""Tells a person who moves a scheduled tag by hand: an event on the stream, beside the annotation
that the decision has put there."""

from __future__ import annotations

from datetime import datetime

from tagstream.api.images.convert import API_VERSION
from tagstream.api.images.stream_events import record_stream_event
from tagstream.store.journal import Transaction
from tagstream.streams.stream_commands import Written

REASON = "ScheduledTagMovedByHand"


async def record_schedule_warning(tx: Transaction, written: Written, now: datetime) -> None:
    """Records the event of a write that has something to warn of."""
    if written.warning is not None:
        await record_stream_event(tx, written.after, REASON, written.warning, now, API_VERSION)
