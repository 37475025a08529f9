"""Which field table belongs to an apiVersion and kind."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas import (
    apps_v1,
    authentication_v1,
    authorization_v1,
    autoscaling_v1,
    batch_v1,
    core_v1,
    core_v1_pods,
    events_v1,
    meta_v1,
    rbac_v1,
)
from tagstream.api.wire.protobuf_schemas.model import MessageSpec

_GROUPS: Final = {
    "v1": core_v1.KINDS | core_v1_pods.KINDS,
    "apps/v1": apps_v1.KINDS,
    "batch/v1": batch_v1.KINDS,
    "autoscaling/v1": autoscaling_v1.KINDS,
    "events.k8s.io/v1": events_v1.KINDS,
    "meta.k8s.io/v1": meta_v1.KINDS,
    "rbac.authorization.k8s.io/v1": rbac_v1.KINDS,
    "authorization.k8s.io/v1": authorization_v1.KINDS,
    "authentication.k8s.io/v1": authentication_v1.KINDS,
}
_SPECS: Final[dict[tuple[str, str], MessageSpec]] = {
    (version, kind): spec for version, kinds in _GROUPS.items() for kind, spec in kinds.items()
}


def get_message(api_version: str, kind: str) -> MessageSpec | None:
    """The field table, None for a kind without protobuf. Options and Status fit any version."""
    return _SPECS.get((api_version, kind)) or meta_v1.COMMON_KINDS.get(kind)
