"""What the environment says to the api service. A wrong setting stops the start, all of them
listed."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

INTERNAL_REGISTRY = "image-registry.openshift-image-registry.svc:5000"


class Settings(BaseSettings):
    """Variables with the prefix TAGSTREAM_."""

    model_config = SettingsConfigDict(env_prefix="TAGSTREAM_", frozen=True)

    postgres_url: SecretStr
    nats_url: SecretStr
    log_level: str = "info"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535)
    replica: str = "api-0"

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8443, ge=0, le=65535)
    api_tls_cert_file: Path
    api_tls_key_file: Path
    api_client_ca_file: Path | None = None
    api_token_key_file: Path
    api_advertised_url: str = ""
    secret_key_file: Path

    internal_registry: str = INTERNAL_REGISTRY
    external_registry: str = ""
    max_images_bulk_imported_per_repository: int = Field(default=50, ge=-1)
    postgres_pool_size: int = Field(default=8, ge=2, le=100)
    import_platform_os: str = "linux"
    import_platform_arch: str = "amd64"
