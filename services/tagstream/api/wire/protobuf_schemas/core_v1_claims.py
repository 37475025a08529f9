"""Field tables of core/v1: resources of containers and claims of volumes."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_references import (
    TYPED_LOCAL_OBJECT_REFERENCE,
    TYPED_OBJECT_REFERENCE,
)
from tagstream.api.wire.protobuf_schemas.meta_v1 import LABEL_SELECTOR, OBJECT_META
from tagstream.api.wire.protobuf_schemas.model import (
    message,
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

VOLUME_RESOURCE_REQUIREMENTS: Final = message(
    "VolumeResourceRequirements",
    quantity_map(1, "limits"),
    quantity_map(2, "requests"),
)
PERSISTENT_VOLUME_CLAIM_SPEC: Final = message(
    "PersistentVolumeClaimSpec",
    strings(1, "accessModes"),
    struct(2, "resources", VOLUME_RESOURCE_REQUIREMENTS),
    string(3, "volumeName"),
    pointer(4, "selector", LABEL_SELECTOR),
    optional_string(5, "storageClassName"),
    optional_string(6, "volumeMode"),
    pointer(7, "dataSource", TYPED_LOCAL_OBJECT_REFERENCE),
    pointer(8, "dataSourceRef", TYPED_OBJECT_REFERENCE),
    optional_string(9, "volumeAttributesClassName"),
)
PERSISTENT_VOLUME_CLAIM_TEMPLATE: Final = message(
    "PersistentVolumeClaimTemplate",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", PERSISTENT_VOLUME_CLAIM_SPEC),
)
RESOURCE_CLAIM: Final = message(
    "ResourceClaim",
    string(1, "name", shown=True),
    string(2, "request"),
)
RESOURCE_REQUIREMENTS: Final = message(
    "ResourceRequirements",
    quantity_map(1, "limits"),
    quantity_map(2, "requests"),
    structs(3, "claims", RESOURCE_CLAIM),
)
VOLUME_HEALTH_CONDITION: Final = message(
    "VolumeHealthCondition",
    string(1, "status", shown=True),
    string(2, "reason", shown=True),
    string(3, "message"),
)
PERSISTENT_VOLUME_CLAIM_CONDITION: Final = message(
    "PersistentVolumeClaimCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastProbeTime"),
    time(4, "lastTransitionTime"),
    string(5, "reason"),
    string(6, "message"),
)
MODIFY_VOLUME_STATUS: Final = message(
    "ModifyVolumeStatus",
    string(1, "targetVolumeAttributesClassName"),
    string(2, "status", shown=True),
)
VOLUME_HEALTH_STATUS: Final = message(
    "VolumeHealthStatus",
    structs(1, "healthConditions", VOLUME_HEALTH_CONDITION),
    time(2, "lastTransitionTime"),
)
PERSISTENT_VOLUME_CLAIM_STATUS: Final = message(
    "PersistentVolumeClaimStatus",
    string(1, "phase"),
    strings(2, "accessModes"),
    quantity_map(3, "capacity"),
    structs(4, "conditions", PERSISTENT_VOLUME_CLAIM_CONDITION),
    quantity_map(5, "allocatedResources"),
    string_map(7, "allocatedResourceStatuses"),
    optional_string(8, "currentVolumeAttributesClassName"),
    pointer(9, "modifyVolumeStatus", MODIFY_VOLUME_STATUS),
    pointer(10, "healthStatus", VOLUME_HEALTH_STATUS),
)
PERSISTENT_VOLUME_CLAIM: Final = message(
    "PersistentVolumeClaim",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", PERSISTENT_VOLUME_CLAIM_SPEC),
    struct(3, "status", PERSISTENT_VOLUME_CLAIM_STATUS),
)
