"""The api's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.telemetry.settings import ServiceSettings


class Settings(ServiceSettings):
    """What this service reads besides what all services do."""

    api_host: str = Field(default="127.0.0.1", description="the address to listen on")
    api_port: int = Field(default=8443, ge=0, le=65535, description="the port to listen on")
    api_tls_cert_file: Path = Field(description="the server's certificate (PEM)")
    api_tls_key_file: Path = Field(description="the server's key (PEM)")
    api_client_ca_file: Path | None = Field(
        default=None,
        description="authorities of client certificates (PEM); CN is the user, O its groups; "
        "without it only tokens are accepted",
    )
    api_token_key_file: Path = Field(
        description="the key that service account tokens are signed with (EC P-256, PEM)"
    )
    secret_key_file: Path = Field(
        description="the keys that Secrets are sealed with: base64, one a line, newest first"
    )
    internal_registry: str = Field(
        default=INTERNAL_REGISTRY,
        description="host of the integrated registry, the same as the api's; may be empty",
    )
    external_registry: str = Field(
        default="", description="host of the integrated registry as seen from outside"
    )
    max_images_bulk_imported_per_repository: int = Field(
        default=50, ge=-1, description="tags that one import of a repository takes; -1 is all"
    )
    postgres_pool_size: int = Field(
        default=8, ge=2, le=100, description="connections of one api process"
    )
    import_platform_os: str = "linux"
    import_platform_arch: str = "amd64"
