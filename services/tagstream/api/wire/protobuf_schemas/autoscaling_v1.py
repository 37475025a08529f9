"""Field tables of autoscaling/v1: the scale of a workload."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.meta_v1 import OBJECT_META
from tagstream.api.wire.protobuf_schemas.model import int32, message, string, struct

SCALE_SPEC: Final = message(
    "ScaleSpec",
    int32(1, "replicas"),
)
SCALE_STATUS: Final = message(
    "ScaleStatus",
    int32(1, "replicas", shown=True),
    string(2, "selector"),
)
SCALE: Final = message(
    "Scale",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", SCALE_SPEC),
    struct(3, "status", SCALE_STATUS),
)

#: Kinds of the version `autoscaling/v1`.
KINDS: Final = {"Scale": SCALE}
