"""Field tables of core/v1: what a pod and its containers are allowed to do."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.model import (
    int64s,
    message,
    optional_boolean,
    optional_int64,
    optional_string,
    pointer,
    string,
    strings,
    structs,
)

CAPABILITIES: Final = message(
    "Capabilities",
    strings(1, "add"),
    strings(2, "drop"),
)
SE_LINUX_OPTIONS: Final = message(
    "SELinuxOptions",
    string(1, "user"),
    string(2, "role"),
    string(3, "type"),
    string(4, "level"),
)
WINDOWS_SECURITY_CONTEXT_OPTIONS: Final = message(
    "WindowsSecurityContextOptions",
    optional_string(1, "gmsaCredentialSpecName"),
    optional_string(2, "gmsaCredentialSpec"),
    optional_string(3, "runAsUserName"),
    optional_boolean(4, "hostProcess"),
)
SECCOMP_PROFILE: Final = message(
    "SeccompProfile",
    string(1, "type", shown=True),
    optional_string(2, "localhostProfile"),
)
APP_ARMOR_PROFILE: Final = message(
    "AppArmorProfile",
    string(1, "type", shown=True),
    optional_string(2, "localhostProfile"),
)
SECURITY_CONTEXT: Final = message(
    "SecurityContext",
    pointer(1, "capabilities", CAPABILITIES),
    optional_boolean(2, "privileged"),
    pointer(3, "seLinuxOptions", SE_LINUX_OPTIONS),
    optional_int64(4, "runAsUser"),
    optional_boolean(5, "runAsNonRoot"),
    optional_boolean(6, "readOnlyRootFilesystem"),
    optional_boolean(7, "allowPrivilegeEscalation"),
    optional_int64(8, "runAsGroup"),
    optional_string(9, "procMount"),
    pointer(10, "windowsOptions", WINDOWS_SECURITY_CONTEXT_OPTIONS),
    pointer(11, "seccompProfile", SECCOMP_PROFILE),
    pointer(12, "appArmorProfile", APP_ARMOR_PROFILE),
)
SYSCTL: Final = message(
    "Sysctl",
    string(1, "name", shown=True),
    string(2, "value", shown=True),
)
POD_SECURITY_CONTEXT: Final = message(
    "PodSecurityContext",
    pointer(1, "seLinuxOptions", SE_LINUX_OPTIONS),
    optional_int64(2, "runAsUser"),
    optional_boolean(3, "runAsNonRoot"),
    int64s(4, "supplementalGroups"),
    optional_int64(5, "fsGroup"),
    optional_int64(6, "runAsGroup"),
    structs(7, "sysctls", SYSCTL),
    pointer(8, "windowsOptions", WINDOWS_SECURITY_CONTEXT_OPTIONS),
    optional_string(9, "fsGroupChangePolicy"),
    pointer(10, "seccompProfile", SECCOMP_PROFILE),
    pointer(11, "appArmorProfile", APP_ARMOR_PROFILE),
    optional_string(12, "supplementalGroupsPolicy"),
    optional_string(13, "seLinuxChangePolicy"),
)
