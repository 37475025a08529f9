"""The dispatcher's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at the start; wrong values stop it with all of them listed."""

    model_config = SettingsConfigDict(env_prefix="TAGSTREAM_", frozen=True)

    postgres_url: SecretStr = Field(description="Postgres, as postgresql://user@host/database")
    nats_url: SecretStr = Field(description="NATS servers, separated by commas")
    kubeconfig: Path | None = Field(
        default=None, description="the cluster; without it the Pod's own service account is used"
    )
    cluster: str = Field(
        default="default", min_length=1, max_length=63, description="the cluster's name in facts"
    )
    internal_registry: str = Field(
        default="", description="host of the registry that tags with policy Local resolve to"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535, description="0 lets the system choose")
    triggers_resync_s: float = Field(
        default=600, ge=1, le=600, description="seconds between looks at every workload"
    )
