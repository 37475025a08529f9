"""`python -m tagstream.samples_manager`: the process."""

from __future__ import annotations

import sys

from tagstream.samples_manager.app import SERVICE, serve
from tagstream.samples_manager.settings import Settings
from tagstream.telemetry.logging import configure_logging
from tagstream.telemetry.run import Stop, run_service


async def _main(stop: Stop) -> None:
    settings = Settings()
    configure_logging(SERVICE, settings.log_level)
    await serve(settings, stop)


def main() -> None:
    """The console script's entry."""
    sys.exit(run_service(_main))


if __name__ == "__main__":
    main()
