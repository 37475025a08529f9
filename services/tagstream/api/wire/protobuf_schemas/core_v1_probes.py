"""Field tables of core/v1: probes and lifecycle handlers of containers."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.model import (
    inline,
    int32,
    int64,
    int_or_string,
    message,
    optional_int64,
    optional_string,
    pointer,
    string,
    strings,
    structs,
)

EXEC_ACTION: Final = message(
    "ExecAction",
    strings(1, "command"),
)
HTTP_HEADER: Final = message(
    "HTTPHeader",
    string(1, "name", shown=True),
    string(2, "value", shown=True),
)
HTTP_GET_ACTION: Final = message(
    "HTTPGetAction",
    string(1, "path"),
    int_or_string(2, "port"),
    string(3, "host"),
    string(4, "scheme"),
    structs(5, "httpHeaders", HTTP_HEADER),
    optional_string(6, "protocol"),
)
TCP_SOCKET_ACTION: Final = message(
    "TCPSocketAction",
    int_or_string(1, "port"),
    string(2, "host"),
)
GRPC_ACTION: Final = message(
    "GRPCAction",
    int32(1, "port", shown=True),
    optional_string(2, "service"),
    optional_string(3, "mode"),
)
PROBE_HANDLER: Final = message(
    "ProbeHandler",
    pointer(1, "exec", EXEC_ACTION),
    pointer(2, "httpGet", HTTP_GET_ACTION),
    pointer(3, "tcpSocket", TCP_SOCKET_ACTION),
    pointer(4, "grpc", GRPC_ACTION),
)
PROBE: Final = message(
    "Probe",
    inline(1, PROBE_HANDLER),
    int32(2, "initialDelaySeconds"),
    int32(3, "timeoutSeconds"),
    int32(4, "periodSeconds"),
    int32(5, "successThreshold"),
    int32(6, "failureThreshold"),
    optional_int64(7, "terminationGracePeriodSeconds"),
)
SLEEP_ACTION: Final = message(
    "SleepAction",
    int64(1, "seconds", shown=True),
)
LIFECYCLE_HANDLER: Final = message(
    "LifecycleHandler",
    pointer(1, "exec", EXEC_ACTION),
    pointer(2, "httpGet", HTTP_GET_ACTION),
    pointer(3, "tcpSocket", TCP_SOCKET_ACTION),
    pointer(4, "sleep", SLEEP_ACTION),
)
LIFECYCLE: Final = message(
    "Lifecycle",
    pointer(1, "postStart", LIFECYCLE_HANDLER),
    pointer(2, "preStop", LIFECYCLE_HANDLER),
    optional_string(3, "stopSignal"),
)
