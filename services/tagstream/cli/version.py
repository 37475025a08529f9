"""`tagstream version`."""

from __future__ import annotations

from importlib import metadata

import click


def installed_version() -> str:
    """The version of the installed distribution; `unknown` when run from a bare source tree."""
    try:
        return metadata.version("tagstream")
    except metadata.PackageNotFoundError:
        return "unknown"


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"tagstream {installed_version()}")
