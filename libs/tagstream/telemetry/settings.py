"""The settings that every service reads from its environment.

A service's own class adds to these and is named `Settings`, so that a wrong value is told by the
name of its variable.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Variables with the prefix TAGSTREAM_, read once at the start; wrong values stop it with all
    of them listed."""

    model_config = SettingsConfigDict(env_prefix="TAGSTREAM_", frozen=True)

    postgres_url: SecretStr = Field(description="Postgres, as postgresql://user@host/database")
    nats_url: SecretStr = Field(description="NATS servers, separated by commas")
    nats_replicas: int = Field(default=1, ge=1, le=5, description="copies of each NATS stream")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(
        default=0, ge=0, le=65535, description="for /metrics and probes; 0 lets the system choose"
    )
    replica: str = Field(default="", description="a name for this process in its log lines")
