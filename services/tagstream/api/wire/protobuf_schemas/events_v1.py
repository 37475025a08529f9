"""Field tables of events.k8s.io/v1: events."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1 import EVENT_SOURCE
from tagstream.api.wire.protobuf_schemas.core_v1_references import OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.meta_v1 import OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    int32,
    message,
    micro_time,
    pointer,
    string,
    struct,
    time,
)

EVENT_SERIES: Final = message(
    "EventSeries",
    int32(1, "count", shown=True),
    micro_time(2, "lastObservedTime"),
)
EVENT: Final = message(
    "Event",
    struct(1, "metadata", OBJECT_META),
    micro_time(2, "eventTime"),
    pointer(3, "series", EVENT_SERIES),
    string(4, "reportingController"),
    string(5, "reportingInstance"),
    string(6, "action"),
    string(7, "reason"),
    struct(8, "regarding", OBJECT_REFERENCE),
    pointer(9, "related", OBJECT_REFERENCE),
    string(10, "note"),
    string(11, "type"),
    struct(12, "deprecatedSource", EVENT_SOURCE),
    time(13, "deprecatedFirstTimestamp"),
    time(14, "deprecatedLastTimestamp"),
    int32(15, "deprecatedCount"),
)

#: Kinds of the version `events.k8s.io/v1`.
KINDS: Final = {
    "Event": EVENT,
    "EventList": list_of(EVENT),
}
