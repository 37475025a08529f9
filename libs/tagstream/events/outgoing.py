"""From a committed row (type and data) to what goes on the wire: its subject and its envelope.

Works on the data as it was stored, not on a class, so that the relay of one release can publish the
rows of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from tagstream.events.envelope import SOURCE, CloudEvent
from tagstream.events.jobs import JOBS
from tagstream.events.subjects import event_subject, import_subject


def subject_of(event_type: str, data: Mapping[str, object]) -> str:
    """The NATS subject of a fact or a job.

    Raises InvalidInput when the type is not one of ours.
    """
    namespace, stream = _text(data, "namespace"), _text(data, "stream")
    if event_type in JOBS:
        return import_subject(_text(data, "host"), namespace, stream)
    return event_subject(event_type, namespace, stream, _text(data, "tag"))


def build_event(
    event_id: str,
    event_type: str,
    data: Mapping[str, object],
    *,
    time: datetime | None,
    traceparent: str = "",
    source: str = SOURCE,
    extras: Mapping[str, str] | None = None,
) -> CloudEvent:
    """The CloudEvent of a fact or a job; its `subject` attribute reads `shop/app:prod`.

    `time` is when the row was committed; `source` names the installation.
    """
    return CloudEvent(
        id=event_id,
        source=source,
        type=event_type,
        subject=_about(data),
        time=time,
        data=orjson.dumps(data),
        traceparent=traceparent,
        extras=extras or {},
    )


def _about(data: Mapping[str, object]) -> str:
    namespace, stream, tag = (_text(data, name) for name in ("namespace", "stream", "tag"))
    if not stream:
        return namespace
    return f"{namespace}/{stream}:{tag}" if tag else f"{namespace}/{stream}"


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""
