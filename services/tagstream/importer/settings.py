"""The importer's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tagstream.telemetry.settings import ServiceSettings


class Settings(ServiceSettings):
    """What this service reads besides what all services do."""

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
