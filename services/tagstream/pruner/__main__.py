"""`python -m tagstream.pruner`: the process."""

from __future__ import annotations

import sys

from tagstream.pruner.app import SERVICE, serve
from tagstream.pruner.settings import Settings
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
