"""The tag-tracker's settings, all from TAGSTREAM_* environment variables."""

from __future__ import annotations

from pydantic import Field

from tagstream.streams.pull_spec import INTERNAL_REGISTRY
from tagstream.telemetry.settings import ServiceSettings


class Settings(ServiceSettings):
    """What this service reads besides what all services do."""

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
