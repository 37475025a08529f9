"""The pruner's settings, all from TAGSTREAM_* environment variables.

What is kept and when it runs is no setting: that stands in the ImagePruner `cluster`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tagstream.streams.pull_spec import INTERNAL_REGISTRY


class Settings(BaseSettings):
    """Read once at the start; wrong values stop it with all of them listed."""

    model_config = SettingsConfigDict(env_prefix="TAGSTREAM_", frozen=True)

    postgres_url: SecretStr = Field(description="Postgres, as postgresql://user@host/database")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535, description="0 lets the system choose")
    replica: str = Field(default="", description="a name for this process in its log lines")
    internal_registry: str = Field(
        default=INTERNAL_REGISTRY,
        description="host of the integrated registry, the same as the api's; may be empty",
    )
    prune_check: float = Field(
        default=5, ge=0.05, le=60, description="seconds between looks at the ImagePruner"
    )
