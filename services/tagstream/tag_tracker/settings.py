"""The tag-tracker's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

INTERNAL_REGISTRY = "image-registry.openshift-image-registry.svc:5000"


class Settings(BaseSettings):
    """Read once at the start; wrong values stop it with all of them listed."""

    model_config = SettingsConfigDict(env_prefix="TAGSTREAM_", frozen=True)

    postgres_url: SecretStr = Field(description="Postgres, as postgresql://user@host/database")
    nats_url: SecretStr = Field(description="NATS servers, separated by commas")
    nats_replicas: int = Field(default=1, ge=1, le=5, description="copies of each NATS stream")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535, description="0 lets the system choose")
    replica: str = Field(default="", description="a name for this process in its log lines")
    internal_registry: str = Field(
        default=INTERNAL_REGISTRY,
        description="host of the integrated registry, the same as the api's; may be empty",
    )
    disable_scheduled_import: bool = False
    scheduled_import_minimum_interval: float = Field(
        default=900, ge=1, description="seconds between two checks of a scheduled stream"
    )
    max_scheduled_imports_per_minute: int = Field(
        default=60, ge=-1, description="streams checked in a minute; -1 is no limit"
    )
    import_deadline: float = Field(
        default=300, ge=1, le=600, description="seconds that one ordered import may take"
    )
    import_resync: float = Field(
        default=60, ge=0.1, description="seconds between looks for imports whose message was lost"
    )
    import_lost_after: float = Field(
        default=600, ge=0.1, description="seconds after which an unfinished import is ordered again"
    )
