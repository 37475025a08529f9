"""Field tables of core/v1: namespaces, secrets, config maps, service accounts, limits, events.

Pods, what holds them and what they consist of are in the modules `core_v1_…` beside this one.
"""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_references import (
    LOCAL_OBJECT_REFERENCE,
    OBJECT_REFERENCE,
)
from tagstream.api.wire.protobuf_schemas.meta_v1 import OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    bytes_map,
    int32,
    message,
    micro_time,
    optional_boolean,
    pointer,
    quantity_map,
    string,
    string_map,
    strings,
    struct,
    structs,
    time,
)

NAMESPACE_CONDITION: Final = message(
    "NamespaceCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(4, "lastTransitionTime"),
    string(5, "reason"),
    string(6, "message"),
)
NAMESPACE: Final = message(
    "Namespace",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", message("NamespaceSpec", strings(1, "finalizers"))),
    struct(
        3,
        "status",
        message(
            "NamespaceStatus",
            string(1, "phase"),
            structs(2, "conditions", NAMESPACE_CONDITION),
        ),
    ),
)
SECRET: Final = message(
    "Secret",
    struct(1, "metadata", OBJECT_META),
    bytes_map(2, "data"),
    string(3, "type"),
    string_map(4, "stringData"),
    optional_boolean(5, "immutable"),
)
CONFIG_MAP: Final = message(
    "ConfigMap",
    struct(1, "metadata", OBJECT_META),
    string_map(2, "data"),
    bytes_map(3, "binaryData"),
    optional_boolean(4, "immutable"),
)
SERVICE_ACCOUNT: Final = message(
    "ServiceAccount",
    struct(1, "metadata", OBJECT_META),
    structs(2, "secrets", OBJECT_REFERENCE),
    structs(3, "imagePullSecrets", LOCAL_OBJECT_REFERENCE),
    optional_boolean(4, "automountServiceAccountToken"),
)
LIMIT_RANGE_ITEM: Final = message(
    "LimitRangeItem",
    string(1, "type", shown=True),
    quantity_map(2, "max"),
    quantity_map(3, "min"),
    quantity_map(4, "default"),
    quantity_map(5, "defaultRequest"),
    quantity_map(6, "maxLimitRequestRatio"),
)
LIMIT_RANGE: Final = message(
    "LimitRange",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", message("LimitRangeSpec", structs(1, "limits", LIMIT_RANGE_ITEM))),
)
EVENT_SERIES: Final = message(
    "EventSeries",
    int32(1, "count"),
    micro_time(2, "lastObservedTime"),
)
EVENT_SOURCE: Final = message("EventSource", string(1, "component"), string(2, "host"))
EVENT: Final = message(
    "Event",
    struct(1, "metadata", OBJECT_META),
    struct(2, "involvedObject", OBJECT_REFERENCE),
    string(3, "reason"),
    string(4, "message"),
    struct(5, "source", EVENT_SOURCE),
    time(6, "firstTimestamp"),
    time(7, "lastTimestamp"),
    int32(8, "count"),
    string(9, "type"),
    micro_time(10, "eventTime"),
    pointer(11, "series", EVENT_SERIES),
    string(12, "action"),
    pointer(13, "related", OBJECT_REFERENCE),
    string(14, "reportingComponent", shown=True),
    string(15, "reportingInstance", shown=True),
)

#: Kinds of the version `v1` that hold no pods.
KINDS: Final = {
    "Namespace": NAMESPACE,
    "NamespaceList": list_of(NAMESPACE),
    "Secret": SECRET,
    "SecretList": list_of(SECRET),
    "ConfigMap": CONFIG_MAP,
    "ConfigMapList": list_of(CONFIG_MAP),
    "ServiceAccount": SERVICE_ACCOUNT,
    "ServiceAccountList": list_of(SERVICE_ACCOUNT),
    "LimitRange": LIMIT_RANGE,
    "LimitRangeList": list_of(LIMIT_RANGE),
    "Event": EVENT,
    "EventList": list_of(EVENT),
}
