"""Field tables of apps/v1: deployments, replica sets, stateful sets, daemon sets."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_claims import PERSISTENT_VOLUME_CLAIM
from tagstream.api.wire.protobuf_schemas.core_v1_pods import POD_TEMPLATE_SPEC
from tagstream.api.wire.protobuf_schemas.meta_v1 import LABEL_SELECTOR, OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    int32,
    int64,
    message,
    optional_int32,
    optional_int_or_string,
    pointer,
    string,
    struct,
    structs,
    time,
)

ROLLING_UPDATE_DEPLOYMENT: Final = message(
    "RollingUpdateDeployment",
    optional_int_or_string(1, "maxUnavailable"),
    optional_int_or_string(2, "maxSurge"),
)
DEPLOYMENT_STRATEGY: Final = message(
    "DeploymentStrategy",
    string(1, "type"),
    pointer(2, "rollingUpdate", ROLLING_UPDATE_DEPLOYMENT),
)
DEPLOYMENT_SPEC: Final = message(
    "DeploymentSpec",
    optional_int32(1, "replicas"),
    pointer(2, "selector", LABEL_SELECTOR),
    struct(3, "template", POD_TEMPLATE_SPEC),
    struct(4, "strategy", DEPLOYMENT_STRATEGY),
    int32(5, "minReadySeconds"),
    optional_int32(6, "revisionHistoryLimit"),
    boolean(7, "paused"),
    optional_int32(9, "progressDeadlineSeconds"),
)
DEPLOYMENT_CONDITION: Final = message(
    "DeploymentCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    string(4, "reason"),
    string(5, "message"),
    time(6, "lastUpdateTime"),
    time(7, "lastTransitionTime"),
)
DEPLOYMENT_STATUS: Final = message(
    "DeploymentStatus",
    int64(1, "observedGeneration"),
    int32(2, "replicas"),
    int32(3, "updatedReplicas"),
    int32(4, "availableReplicas"),
    int32(5, "unavailableReplicas"),
    structs(6, "conditions", DEPLOYMENT_CONDITION),
    int32(7, "readyReplicas"),
    optional_int32(8, "collisionCount"),
    optional_int32(9, "terminatingReplicas"),
)
DEPLOYMENT: Final = message(
    "Deployment",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", DEPLOYMENT_SPEC),
    struct(3, "status", DEPLOYMENT_STATUS),
)
REPLICA_SET_SPEC: Final = message(
    "ReplicaSetSpec",
    optional_int32(1, "replicas"),
    pointer(2, "selector", LABEL_SELECTOR),
    struct(3, "template", POD_TEMPLATE_SPEC),
    int32(4, "minReadySeconds"),
)
REPLICA_SET_CONDITION: Final = message(
    "ReplicaSetCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastTransitionTime"),
    string(4, "reason"),
    string(5, "message"),
)
REPLICA_SET_STATUS: Final = message(
    "ReplicaSetStatus",
    int32(1, "replicas", shown=True),
    int32(2, "fullyLabeledReplicas"),
    int64(3, "observedGeneration"),
    int32(4, "readyReplicas"),
    int32(5, "availableReplicas"),
    structs(6, "conditions", REPLICA_SET_CONDITION),
    optional_int32(7, "terminatingReplicas"),
)
REPLICA_SET: Final = message(
    "ReplicaSet",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", REPLICA_SET_SPEC),
    struct(3, "status", REPLICA_SET_STATUS),
)
ROLLING_UPDATE_STATEFUL_SET_STRATEGY: Final = message(
    "RollingUpdateStatefulSetStrategy",
    optional_int32(1, "partition"),
    optional_int_or_string(2, "maxUnavailable"),
)
STATEFUL_SET_UPDATE_STRATEGY: Final = message(
    "StatefulSetUpdateStrategy",
    string(1, "type"),
    pointer(2, "rollingUpdate", ROLLING_UPDATE_STATEFUL_SET_STRATEGY),
)
STATEFUL_SET_PERSISTENT_VOLUME_CLAIM_RETENTION_POLICY: Final = message(
    "StatefulSetPersistentVolumeClaimRetentionPolicy",
    string(1, "whenDeleted"),
    string(2, "whenScaled"),
)
STATEFUL_SET_ORDINALS: Final = message(
    "StatefulSetOrdinals",
    int32(1, "start", shown=True),
)
STATEFUL_SET_SPEC: Final = message(
    "StatefulSetSpec",
    optional_int32(1, "replicas"),
    pointer(2, "selector", LABEL_SELECTOR),
    struct(3, "template", POD_TEMPLATE_SPEC),
    structs(4, "volumeClaimTemplates", PERSISTENT_VOLUME_CLAIM),
    string(5, "serviceName", shown=True),
    string(6, "podManagementPolicy"),
    struct(7, "updateStrategy", STATEFUL_SET_UPDATE_STRATEGY),
    optional_int32(8, "revisionHistoryLimit"),
    int32(9, "minReadySeconds"),
    pointer(
        10,
        "persistentVolumeClaimRetentionPolicy",
        STATEFUL_SET_PERSISTENT_VOLUME_CLAIM_RETENTION_POLICY,
    ),
    pointer(11, "ordinals", STATEFUL_SET_ORDINALS),
)
STATEFUL_SET_CONDITION: Final = message(
    "StatefulSetCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastTransitionTime"),
    string(4, "reason"),
    string(5, "message"),
)
STATEFUL_SET_STATUS: Final = message(
    "StatefulSetStatus",
    int64(1, "observedGeneration"),
    int32(2, "replicas", shown=True),
    int32(3, "readyReplicas"),
    int32(4, "currentReplicas"),
    int32(5, "updatedReplicas"),
    string(6, "currentRevision"),
    string(7, "updateRevision"),
    optional_int32(9, "collisionCount"),
    structs(10, "conditions", STATEFUL_SET_CONDITION),
    int32(11, "availableReplicas", shown=True),
)
STATEFUL_SET: Final = message(
    "StatefulSet",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", STATEFUL_SET_SPEC),
    struct(3, "status", STATEFUL_SET_STATUS),
)
ROLLING_UPDATE_DAEMON_SET: Final = message(
    "RollingUpdateDaemonSet",
    optional_int_or_string(1, "maxUnavailable"),
    optional_int_or_string(2, "maxSurge"),
)
DAEMON_SET_UPDATE_STRATEGY: Final = message(
    "DaemonSetUpdateStrategy",
    string(1, "type"),
    pointer(2, "rollingUpdate", ROLLING_UPDATE_DAEMON_SET),
)
DAEMON_SET_SPEC: Final = message(
    "DaemonSetSpec",
    pointer(1, "selector", LABEL_SELECTOR),
    struct(2, "template", POD_TEMPLATE_SPEC),
    struct(3, "updateStrategy", DAEMON_SET_UPDATE_STRATEGY),
    int32(4, "minReadySeconds"),
    optional_int32(6, "revisionHistoryLimit"),
)
DAEMON_SET_CONDITION: Final = message(
    "DaemonSetCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastTransitionTime"),
    string(4, "reason"),
    string(5, "message"),
)
DAEMON_SET_STATUS: Final = message(
    "DaemonSetStatus",
    int32(1, "currentNumberScheduled", shown=True),
    int32(2, "numberMisscheduled", shown=True),
    int32(3, "desiredNumberScheduled", shown=True),
    int32(4, "numberReady", shown=True),
    int64(5, "observedGeneration"),
    int32(6, "updatedNumberScheduled"),
    int32(7, "numberAvailable"),
    int32(8, "numberUnavailable"),
    optional_int32(9, "collisionCount"),
    structs(10, "conditions", DAEMON_SET_CONDITION),
)
DAEMON_SET: Final = message(
    "DaemonSet",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", DAEMON_SET_SPEC),
    struct(3, "status", DAEMON_SET_STATUS),
)

#: Kinds of the version `apps/v1`.
KINDS: Final = {
    "DaemonSet": DAEMON_SET,
    "DaemonSetList": list_of(DAEMON_SET),
    "Deployment": DEPLOYMENT,
    "DeploymentList": list_of(DEPLOYMENT),
    "ReplicaSet": REPLICA_SET,
    "ReplicaSetList": list_of(REPLICA_SET),
    "StatefulSet": STATEFUL_SET,
    "StatefulSetList": list_of(STATEFUL_SET),
}
