"""The dispatcher's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.telemetry.settings import ServiceSettings


class Settings(ServiceSettings):
    """What this service reads besides what all services do."""

    kubeconfig: Path | None = Field(
        default=None, description="the cluster; without it the Pod's own service account is used"
    )
    cluster: str = Field(
        default="default", min_length=1, max_length=63, description="the cluster's name in facts"
    )
    internal_registry: str = Field(
        default=INTERNAL_REGISTRY,
        description="host of the integrated registry, the same as the api's; may be empty",
    )
    triggers_resync_s: float = Field(
        default=600, ge=1, le=600, description="seconds between looks at every workload"
    )
