"""The importer's settings, all from TAGSTREAM_* environment variables."""

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
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535, description="0 lets the system choose")
    replica: str = Field(default="", description="a name for this process in its log lines")
    secret_key_file: Path | None = Field(
        default=None, description="the keys that Secrets are sealed with, the same as the api's"
    )
    pull_secret_file: Path | None = Field(
        default=None, description="a .dockerconfigjson for every namespace; read at each import"
    )
    registry_ca_file: Path | None = Field(
        default=None, description="authorities that registries are trusted by, beside the system's"
    )
    registry_rate_per_host: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="requests a second to one host by all replicas together; 0 is no limit",
    )
    import_platform_os: str = "linux"
    import_platform_arch: str = "amd64"
