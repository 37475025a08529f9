"""Events on an image stream, as `oc describe` lists them."""

from __future__ import annotations

from datetime import datetime

from tagstream.store.journal import Transaction
from tagstream.store.object_events import record_event
from tagstream.streams.image_stream import ImageStream


async def record_stream_event(
    tx: Transaction,
    stream: ImageStream,
    reason: str,
    message: str,
    now: datetime,
    api_version: str,
) -> None:
    """A Warning about the stream."""
    await record_event(
        tx,
        {
            "kind": "ImageStream",
            "apiVersion": api_version,
            "namespace": stream.namespace,
            "name": stream.name,
            "uid": stream.uid,
        },
        reason=reason,
        message=message,
        now=now,
        component="tagstream-api",
    )
