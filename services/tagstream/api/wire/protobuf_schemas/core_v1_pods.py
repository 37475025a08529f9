"""Field tables of core/v1: pods, pod templates and replication controllers."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_claims import RESOURCE_REQUIREMENTS
from tagstream.api.wire.protobuf_schemas.core_v1_containers import CONTAINER, EPHEMERAL_CONTAINER
from tagstream.api.wire.protobuf_schemas.core_v1_pod_status import POD_STATUS
from tagstream.api.wire.protobuf_schemas.core_v1_references import LOCAL_OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.core_v1_scheduling import (
    AFFINITY,
    TOLERATION,
    TOPOLOGY_SPREAD_CONSTRAINT,
)
from tagstream.api.wire.protobuf_schemas.core_v1_security import POD_SECURITY_CONTEXT
from tagstream.api.wire.protobuf_schemas.core_v1_volumes import VOLUME
from tagstream.api.wire.protobuf_schemas.meta_v1 import OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    int32,
    int64,
    message,
    optional_boolean,
    optional_int32,
    optional_int64,
    optional_string,
    pointer,
    quantity_map,
    string,
    string_map,
    strings,
    struct,
    structs,
    time,
)

HOST_ALIAS: Final = message(
    "HostAlias",
    string(1, "ip", shown=True),
    strings(2, "hostnames"),
)
POD_DNS_CONFIG_OPTION: Final = message(
    "PodDNSConfigOption",
    string(1, "name"),
    optional_string(2, "value"),
)
POD_DNS_CONFIG: Final = message(
    "PodDNSConfig",
    strings(1, "nameservers"),
    strings(2, "searches"),
    structs(3, "options", POD_DNS_CONFIG_OPTION),
)
POD_READINESS_GATE: Final = message(
    "PodReadinessGate",
    string(1, "conditionType", shown=True),
)
POD_OS: Final = message(
    "PodOS",
    string(1, "name", shown=True),
)
POD_SCHEDULING_GATE: Final = message(
    "PodSchedulingGate",
    string(1, "name", shown=True),
)
POD_RESOURCE_CLAIM: Final = message(
    "PodResourceClaim",
    string(1, "name", shown=True),
    optional_string(3, "resourceClaimName"),
    optional_string(4, "resourceClaimTemplateName"),
)
POD_SCHEDULING_GROUP: Final = message(
    "PodSchedulingGroup",
    optional_string(1, "podGroupName"),
)
EVICTION_RESPONDER: Final = message(
    "EvictionResponder",
    string(1, "name", shown=True),
    optional_int32(2, "priority"),
)
POD_SPEC: Final = message(
    "PodSpec",
    structs(1, "volumes", VOLUME),
    structs(2, "containers", CONTAINER, shown=True),
    string(3, "restartPolicy"),
    optional_int64(4, "terminationGracePeriodSeconds"),
    optional_int64(5, "activeDeadlineSeconds"),
    string(6, "dnsPolicy"),
    string_map(7, "nodeSelector"),
    string(8, "serviceAccountName"),
    string(9, "serviceAccount"),
    string(10, "nodeName"),
    boolean(11, "hostNetwork"),
    boolean(12, "hostPID"),
    boolean(13, "hostIPC"),
    pointer(14, "securityContext", POD_SECURITY_CONTEXT),
    structs(15, "imagePullSecrets", LOCAL_OBJECT_REFERENCE),
    string(16, "hostname"),
    string(17, "subdomain"),
    pointer(18, "affinity", AFFINITY),
    string(19, "schedulerName"),
    structs(20, "initContainers", CONTAINER),
    optional_boolean(21, "automountServiceAccountToken"),
    structs(22, "tolerations", TOLERATION),
    structs(23, "hostAliases", HOST_ALIAS),
    string(24, "priorityClassName"),
    optional_int32(25, "priority"),
    pointer(26, "dnsConfig", POD_DNS_CONFIG),
    optional_boolean(27, "shareProcessNamespace"),
    structs(28, "readinessGates", POD_READINESS_GATE),
    optional_string(29, "runtimeClassName"),
    optional_boolean(30, "enableServiceLinks"),
    optional_string(31, "preemptionPolicy"),
    quantity_map(32, "overhead"),
    structs(33, "topologySpreadConstraints", TOPOLOGY_SPREAD_CONSTRAINT),
    structs(34, "ephemeralContainers", EPHEMERAL_CONTAINER),
    optional_boolean(35, "setHostnameAsFQDN"),
    pointer(36, "os", POD_OS),
    optional_boolean(37, "hostUsers"),
    structs(38, "schedulingGates", POD_SCHEDULING_GATE),
    structs(39, "resourceClaims", POD_RESOURCE_CLAIM),
    pointer(40, "resources", RESOURCE_REQUIREMENTS),
    optional_string(41, "hostnameOverride"),
    pointer(43, "schedulingGroup", POD_SCHEDULING_GROUP),
    structs(44, "evictionResponders", EVICTION_RESPONDER),
)
POD: Final = message(
    "Pod",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", POD_SPEC),
    struct(3, "status", POD_STATUS),
)
POD_TEMPLATE_SPEC: Final = message(
    "PodTemplateSpec",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", POD_SPEC),
)
POD_TEMPLATE: Final = message(
    "PodTemplate",
    struct(1, "metadata", OBJECT_META),
    struct(2, "template", POD_TEMPLATE_SPEC),
)
REPLICATION_CONTROLLER_SPEC: Final = message(
    "ReplicationControllerSpec",
    optional_int32(1, "replicas"),
    string_map(2, "selector"),
    pointer(3, "template", POD_TEMPLATE_SPEC),
    int32(4, "minReadySeconds"),
)
REPLICATION_CONTROLLER_CONDITION: Final = message(
    "ReplicationControllerCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastTransitionTime"),
    string(4, "reason"),
    string(5, "message"),
)
REPLICATION_CONTROLLER_STATUS: Final = message(
    "ReplicationControllerStatus",
    int32(1, "replicas", shown=True),
    int32(2, "fullyLabeledReplicas"),
    int64(3, "observedGeneration"),
    int32(4, "readyReplicas"),
    int32(5, "availableReplicas"),
    structs(6, "conditions", REPLICATION_CONTROLLER_CONDITION),
)
REPLICATION_CONTROLLER: Final = message(
    "ReplicationController",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", REPLICATION_CONTROLLER_SPEC),
    struct(3, "status", REPLICATION_CONTROLLER_STATUS),
)

#: Kinds of the version `v1` that hold pods.
KINDS: Final = {
    "Pod": POD,
    "PodList": list_of(POD),
    "PodTemplate": POD_TEMPLATE,
    "PodTemplateList": list_of(POD_TEMPLATE),
    "ReplicationController": REPLICATION_CONTROLLER,
    "ReplicationControllerList": list_of(REPLICATION_CONTROLLER),
}
