"""Field tables of core/v1: what is reported of the containers of a pod."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_claims import RESOURCE_REQUIREMENTS
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    int32,
    int64,
    int64s,
    message,
    optional_boolean,
    optional_string,
    pointer,
    quantity_map,
    string,
    struct,
    structs,
    time,
)

CONTAINER_STATE_WAITING: Final = message(
    "ContainerStateWaiting",
    string(1, "reason"),
    string(2, "message"),
)
CONTAINER_STATE_RUNNING: Final = message(
    "ContainerStateRunning",
    time(1, "startedAt"),
)
CONTAINER_STATE_TERMINATED: Final = message(
    "ContainerStateTerminated",
    int32(1, "exitCode", shown=True),
    int32(2, "signal"),
    string(3, "reason"),
    string(4, "message"),
    time(5, "startedAt"),
    time(6, "finishedAt"),
    string(7, "containerID"),
)
CONTAINER_STATE: Final = message(
    "ContainerState",
    pointer(1, "waiting", CONTAINER_STATE_WAITING),
    pointer(2, "running", CONTAINER_STATE_RUNNING),
    pointer(3, "terminated", CONTAINER_STATE_TERMINATED),
)
IMAGE_VOLUME_STATUS: Final = message(
    "ImageVolumeStatus",
    string(1, "imageRef"),
)
VOLUME_STATUS: Final = message(
    "VolumeStatus",
    pointer(1, "image", IMAGE_VOLUME_STATUS),
)
VOLUME_MOUNT_STATUS: Final = message(
    "VolumeMountStatus",
    string(1, "name", shown=True),
    string(2, "mountPath", shown=True),
    boolean(3, "readOnly"),
    optional_string(4, "recursiveReadOnly"),
    pointer(5, "volumeStatus", VOLUME_STATUS),
)
LINUX_CONTAINER_USER: Final = message(
    "LinuxContainerUser",
    int64(1, "uid", shown=True),
    int64(2, "gid", shown=True),
    int64s(3, "supplementalGroups"),
)
CONTAINER_USER: Final = message(
    "ContainerUser",
    pointer(1, "linux", LINUX_CONTAINER_USER),
)
RESOURCE_HEALTH: Final = message(
    "ResourceHealth",
    string(1, "resourceID", shown=True),
    string(2, "health"),
    optional_string(6, "message"),
)
RESOURCE_STATUS: Final = message(
    "ResourceStatus",
    string(1, "name", shown=True),
    structs(2, "resources", RESOURCE_HEALTH),
)
CONTAINER_STATUS: Final = message(
    "ContainerStatus",
    string(1, "name", shown=True),
    struct(2, "state", CONTAINER_STATE),
    struct(3, "lastState", CONTAINER_STATE),
    boolean(4, "ready", shown=True),
    int32(5, "restartCount", shown=True),
    string(6, "image", shown=True),
    string(7, "imageID", shown=True),
    string(8, "containerID"),
    optional_boolean(9, "started"),
    quantity_map(10, "allocatedResources"),
    pointer(11, "resources", RESOURCE_REQUIREMENTS),
    structs(12, "volumeMounts", VOLUME_MOUNT_STATUS),
    pointer(13, "user", CONTAINER_USER),
    structs(14, "allocatedResourcesStatus", RESOURCE_STATUS),
    optional_string(15, "stopSignal"),
)
