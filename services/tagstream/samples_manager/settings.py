"""The samples-manager's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at the start; wrong values stop it with all of them listed."""

    model_config = SettingsConfigDict(env_prefix="TAGSTREAM_", frozen=True)

    postgres_url: SecretStr = Field(description="Postgres, as postgresql://user@host/database")
    kubeconfig: Path | None = Field(
        default=None, description="the cluster; without it the Pod's own service account is used"
    )
    samples: Literal["managed", "removed"] = Field(
        default="removed",
        description="whether samples are installed when there is no Config yet; an existing "
        "Config decides itself",
    )
    samples_library: Path | None = Field(
        default=None, description="directory of the samples; without it the shipped ones"
    )
    samples_resync_s: float = Field(
        default=300, ge=1, le=600, description="longest time between two looks, in seconds"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535, description="0 lets the system choose")
