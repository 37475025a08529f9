"""Field tables of core/v1: what is reported of a pod."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_claims import (
    RESOURCE_REQUIREMENTS,
    VOLUME_HEALTH_CONDITION,
)
from tagstream.api.wire.protobuf_schemas.core_v1_container_status import CONTAINER_STATUS
from tagstream.api.wire.protobuf_schemas.model import (
    int64,
    message,
    optional_quantity,
    optional_string,
    optional_time,
    pointer,
    quantity_map,
    string,
    strings,
    structs,
    time,
)

POD_CONDITION: Final = message(
    "PodCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastProbeTime"),
    time(4, "lastTransitionTime"),
    string(5, "reason"),
    string(6, "message"),
    int64(7, "observedGeneration"),
)
POD_IP: Final = message(
    "PodIP",
    string(1, "ip", shown=True),
)
POD_RESOURCE_CLAIM_STATUS: Final = message(
    "PodResourceClaimStatus",
    string(1, "name", shown=True),
    optional_string(2, "resourceClaimName"),
)
HOST_IP: Final = message(
    "HostIP",
    string(1, "ip", shown=True),
)
CONTAINER_EXTENDED_RESOURCE_REQUEST: Final = message(
    "ContainerExtendedResourceRequest",
    string(1, "containerName", shown=True),
    string(2, "resourceName", shown=True),
    string(3, "requestName", shown=True),
)
POD_EXTENDED_RESOURCE_CLAIM_STATUS: Final = message(
    "PodExtendedResourceClaimStatus",
    structs(1, "requestMappings", CONTAINER_EXTENDED_RESOURCE_REQUEST, shown=True),
    string(2, "resourceClaimName", shown=True),
)
NODE_ALLOCATABLE_MAPPED_RESOURCES: Final = message(
    "NodeAllocatableMappedResources",
    string(1, "name", shown=True),
    optional_quantity(2, "quantity"),
)
NODE_ALLOCATABLE_OVERHEAD_RESOURCES: Final = message(
    "NodeAllocatableOverheadResources",
    string(1, "name", shown=True),
    optional_quantity(2, "perPod"),
    optional_quantity(3, "perContainer"),
)
NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS: Final = message(
    "NodeAllocatableResourceClaimStatus",
    string(1, "resourceClaimName", shown=True),
    strings(2, "containers"),
    structs(4, "mapping", NODE_ALLOCATABLE_MAPPED_RESOURCES),
    structs(5, "overhead", NODE_ALLOCATABLE_OVERHEAD_RESOURCES),
)
POD_VOLUME_HEALTH: Final = message(
    "PodVolumeHealth",
    string(1, "name", shown=True),
    structs(2, "healthConditions", VOLUME_HEALTH_CONDITION),
    time(3, "lastTransitionTime"),
)
POD_STATUS: Final = message(
    "PodStatus",
    string(1, "phase"),
    structs(2, "conditions", POD_CONDITION),
    string(3, "message"),
    string(4, "reason"),
    string(5, "hostIP"),
    string(6, "podIP"),
    optional_time(7, "startTime"),
    structs(8, "containerStatuses", CONTAINER_STATUS),
    string(9, "qosClass"),
    structs(10, "initContainerStatuses", CONTAINER_STATUS),
    string(11, "nominatedNodeName"),
    structs(12, "podIPs", POD_IP),
    structs(13, "ephemeralContainerStatuses", CONTAINER_STATUS),
    string(14, "resize"),
    structs(15, "resourceClaimStatuses", POD_RESOURCE_CLAIM_STATUS),
    structs(16, "hostIPs", HOST_IP),
    int64(17, "observedGeneration"),
    pointer(18, "extendedResourceClaimStatus", POD_EXTENDED_RESOURCE_CLAIM_STATUS),
    quantity_map(19, "allocatedResources"),
    pointer(20, "resources", RESOURCE_REQUIREMENTS),
    structs(21, "nodeAllocatableResourceClaimStatuses", NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS),
    structs(22, "volumeHealth", POD_VOLUME_HEALTH),
)
