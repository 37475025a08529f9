"""Field tables of core/v1: namespaces, secrets, config maps, service accounts, events."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.meta_v1 import OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    FieldSpec,
    FieldType,
    bytes_map,
    int32,
    message,
    optional_boolean,
    pointer,
    string,
    string_map,
    strings,
    struct,
    structs,
    time,
)

LOCAL_OBJECT_REFERENCE: Final = message("LocalObjectReference", string(1, "name"))
OBJECT_REFERENCE: Final = message(
    "ObjectReference",
    string(1, "kind"),
    string(2, "namespace"),
    string(3, "name"),
    string(4, "uid"),
    string(5, "apiVersion"),
    string(6, "resourceVersion"),
    string(7, "fieldPath"),
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
EVENT_SERIES: Final = message(
    "EventSeries",
    int32(1, "count"),
    FieldSpec(2, "lastObservedTime", FieldType.MICRO_TIME, always=True),
)
EVENT: Final = message(
    "Event",
    struct(1, "metadata", OBJECT_META),
    struct(2, "involvedObject", OBJECT_REFERENCE),
    string(3, "reason"),
    string(4, "message"),
    struct(5, "source", message("EventSource", string(1, "component"), string(2, "host"))),
    time(6, "firstTimestamp"),
    time(7, "lastTimestamp"),
    int32(8, "count"),
    string(9, "type"),
    FieldSpec(10, "eventTime", FieldType.MICRO_TIME, always=True),
    pointer(11, "series", EVENT_SERIES),
    string(12, "action"),
    pointer(13, "related", OBJECT_REFERENCE),
    string(14, "reportingComponent", shown=True),
    string(15, "reportingInstance", shown=True),
)

#: Kinds of the version `v1`.
KINDS: Final = {
    "Namespace": NAMESPACE,
    "NamespaceList": list_of(NAMESPACE),
    "Secret": SECRET,
    "SecretList": list_of(SECRET),
    "ConfigMap": CONFIG_MAP,
    "ConfigMapList": list_of(CONFIG_MAP),
    "ServiceAccount": SERVICE_ACCOUNT,
    "ServiceAccountList": list_of(SERVICE_ACCOUNT),
    "Event": EVENT,
    "EventList": list_of(EVENT),
}
