"""Field tables of core/v1: containers and their environment."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_claims import RESOURCE_REQUIREMENTS
from tagstream.api.wire.protobuf_schemas.core_v1_probes import LIFECYCLE, PROBE
from tagstream.api.wire.protobuf_schemas.core_v1_projections import (
    OBJECT_FIELD_SELECTOR,
    RESOURCE_FIELD_SELECTOR,
)
from tagstream.api.wire.protobuf_schemas.core_v1_references import LOCAL_OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.core_v1_security import SECURITY_CONTEXT
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    inline,
    int32,
    int32s,
    message,
    optional_boolean,
    optional_string,
    pointer,
    string,
    strings,
    struct,
    structs,
)

CONTAINER_PORT: Final = message(
    "ContainerPort",
    string(1, "name"),
    int32(2, "hostPort"),
    int32(3, "containerPort", shown=True),
    string(4, "protocol"),
    string(5, "hostIP"),
)
CONFIG_MAP_KEY_SELECTOR: Final = message(
    "ConfigMapKeySelector",
    inline(1, LOCAL_OBJECT_REFERENCE),
    string(2, "key", shown=True),
    optional_boolean(3, "optional"),
)
SECRET_KEY_SELECTOR: Final = message(
    "SecretKeySelector",
    inline(1, LOCAL_OBJECT_REFERENCE),
    string(2, "key", shown=True),
    optional_boolean(3, "optional"),
)
FILE_KEY_SELECTOR: Final = message(
    "FileKeySelector",
    string(1, "volumeName", shown=True),
    string(2, "path", shown=True),
    string(3, "key", shown=True),
    optional_boolean(4, "optional"),
)
ENV_VAR_SOURCE: Final = message(
    "EnvVarSource",
    pointer(1, "fieldRef", OBJECT_FIELD_SELECTOR),
    pointer(2, "resourceFieldRef", RESOURCE_FIELD_SELECTOR),
    pointer(3, "configMapKeyRef", CONFIG_MAP_KEY_SELECTOR),
    pointer(4, "secretKeyRef", SECRET_KEY_SELECTOR),
    pointer(5, "fileKeyRef", FILE_KEY_SELECTOR),
)
ENV_VAR: Final = message(
    "EnvVar",
    string(1, "name", shown=True),
    string(2, "value"),
    pointer(3, "valueFrom", ENV_VAR_SOURCE),
)
VOLUME_MOUNT: Final = message(
    "VolumeMount",
    string(1, "name", shown=True),
    boolean(2, "readOnly"),
    string(3, "mountPath", shown=True),
    string(4, "subPath"),
    optional_string(5, "mountPropagation"),
    string(6, "subPathExpr"),
    optional_string(7, "recursiveReadOnly"),
    strings(8, "bindMountOptions"),
)
CONFIG_MAP_ENV_SOURCE: Final = message(
    "ConfigMapEnvSource",
    inline(1, LOCAL_OBJECT_REFERENCE),
    optional_boolean(2, "optional"),
)
SECRET_ENV_SOURCE: Final = message(
    "SecretEnvSource",
    inline(1, LOCAL_OBJECT_REFERENCE),
    optional_boolean(2, "optional"),
)
ENV_FROM_SOURCE: Final = message(
    "EnvFromSource",
    string(1, "prefix"),
    pointer(2, "configMapRef", CONFIG_MAP_ENV_SOURCE),
    pointer(3, "secretRef", SECRET_ENV_SOURCE),
)
VOLUME_DEVICE: Final = message(
    "VolumeDevice",
    string(1, "name", shown=True),
    string(2, "devicePath", shown=True),
)
CONTAINER_RESIZE_POLICY: Final = message(
    "ContainerResizePolicy",
    string(1, "resourceName", shown=True),
    string(2, "restartPolicy", shown=True),
)
CONTAINER_RESTART_RULE_ON_EXIT_CODES: Final = message(
    "ContainerRestartRuleOnExitCodes",
    string(1, "operator"),
    int32s(2, "values"),
)
CONTAINER_RESTART_RULE: Final = message(
    "ContainerRestartRule",
    string(1, "action"),
    pointer(2, "exitCodes", CONTAINER_RESTART_RULE_ON_EXIT_CODES),
)
CONTAINER: Final = message(
    "Container",
    string(1, "name", shown=True),
    string(2, "image"),
    strings(3, "command"),
    strings(4, "args"),
    string(5, "workingDir"),
    structs(6, "ports", CONTAINER_PORT),
    structs(7, "env", ENV_VAR),
    struct(8, "resources", RESOURCE_REQUIREMENTS),
    structs(9, "volumeMounts", VOLUME_MOUNT),
    pointer(10, "livenessProbe", PROBE),
    pointer(11, "readinessProbe", PROBE),
    pointer(12, "lifecycle", LIFECYCLE),
    string(13, "terminationMessagePath"),
    string(14, "imagePullPolicy"),
    pointer(15, "securityContext", SECURITY_CONTEXT),
    boolean(16, "stdin"),
    boolean(17, "stdinOnce"),
    boolean(18, "tty"),
    structs(19, "envFrom", ENV_FROM_SOURCE),
    string(20, "terminationMessagePolicy"),
    structs(21, "volumeDevices", VOLUME_DEVICE),
    pointer(22, "startupProbe", PROBE),
    structs(23, "resizePolicy", CONTAINER_RESIZE_POLICY),
    optional_string(24, "restartPolicy"),
    structs(25, "restartPolicyRules", CONTAINER_RESTART_RULE),
)
EPHEMERAL_CONTAINER_COMMON: Final = message(
    "EphemeralContainerCommon",
    string(1, "name", shown=True),
    string(2, "image"),
    strings(3, "command"),
    strings(4, "args"),
    string(5, "workingDir"),
    structs(6, "ports", CONTAINER_PORT),
    structs(7, "env", ENV_VAR),
    struct(8, "resources", RESOURCE_REQUIREMENTS),
    structs(9, "volumeMounts", VOLUME_MOUNT),
    pointer(10, "livenessProbe", PROBE),
    pointer(11, "readinessProbe", PROBE),
    pointer(12, "lifecycle", LIFECYCLE),
    string(13, "terminationMessagePath"),
    string(14, "imagePullPolicy"),
    pointer(15, "securityContext", SECURITY_CONTEXT),
    boolean(16, "stdin"),
    boolean(17, "stdinOnce"),
    boolean(18, "tty"),
    structs(19, "envFrom", ENV_FROM_SOURCE),
    string(20, "terminationMessagePolicy"),
    structs(21, "volumeDevices", VOLUME_DEVICE),
    pointer(22, "startupProbe", PROBE),
    structs(23, "resizePolicy", CONTAINER_RESIZE_POLICY),
    optional_string(24, "restartPolicy"),
    structs(25, "restartPolicyRules", CONTAINER_RESTART_RULE),
)
EPHEMERAL_CONTAINER: Final = message(
    "EphemeralContainer",
    inline(1, EPHEMERAL_CONTAINER_COMMON),
    string(2, "targetContainerName"),
)
