"""`tagstream api`, `tagstream importer` and so on: one service in the foreground.

Owns nothing but the name: this process becomes the service, so signals and the exit status are its.
"""

from __future__ import annotations

import os
import sys

import click

from tagstream.embedded.services import module_command, service_module


def _service_command(name: str, summary: str) -> click.Command:
    def run() -> None:
        argv = module_command(service_module(name))
        sys.stdout.flush()
        os.execv(argv[0], argv)

    text = f"{summary}\n\nSettings come from TAGSTREAM_* environment variables (see the README)."
    return click.Command(name, callback=run, help=text)


api = _service_command("api", "Run the Kubernetes-style API server.")
importer = _service_command("importer", "Run the service that fetches from registries.")
tag_tracker = _service_command("tag-tracker", "Run the service that decides what to import.")
trigger_dispatcher = _service_command(
    "trigger-dispatcher", "Run the service that patches workloads."
)
pruner = _service_command("pruner", "Run the service that removes what nobody uses.")
samples_manager = _service_command(
    "samples-manager", "Run the service that keeps the sample streams."
)
