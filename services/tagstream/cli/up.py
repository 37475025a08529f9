"""`tagstream up`: arguments, and what a person sees while a stack starts, runs and stops.

Owns the output. The `ready` line is a contract with scripts: exactly one line on standard output
that starts with `ready ` and holds the https URL.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

import click

from tagstream.cli.location import data_dir_option
from tagstream.embedded.datadir import DataDir, default_data_dir
from tagstream.embedded.failures import SetupError
from tagstream.embedded.services import SERVICES, parse_replicas
from tagstream.embedded.stack import StackOptions, run_stack

_LOG_LEVELS = ("debug", "info", "warning", "error")


class _Terminal:
    """Says on standard error what happens; steps only to a terminal, where they come and go."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._shows_steps = not quiet and sys.stderr.isatty()

    def step(self, text: str) -> None:
        if self._shows_steps:
            click.echo(f"\r\x1b[2K{click.style('·', fg='cyan')} {text} ...", err=True, nl=False)

    def clear(self) -> None:
        if self._shows_steps:
            click.echo("\r\x1b[2K", err=True, nl=False)

    def notice(self, text: str) -> None:
        self.clear()
        click.echo(f"tagstream: {text}", err=True)

    def ready(self, url: str, directory: DataDir) -> None:
        self.clear()
        lines = [f"ready {url}"]
        if not self._quiet:
            lines += [f"  {command}" for command in next_commands(directory)]
            lines.append(f"  {url}/        # in a browser: the web page (docs/web-page.md)")
        click.echo("\n".join(lines))


def next_commands(directory: DataDir) -> list[str]:
    """Three commands to try, ready to be pasted into a shell."""
    follow = "tagstream events --follow"
    if directory.path != default_data_dir(os.environ):
        follow += f" --data-dir {shlex.quote(str(directory.path))}"
    return [
        f"export KUBECONFIG={shlex.quote(str(directory.kubeconfig))}",
        "kubectl get is        # or: oc get is",
        follow,
    ]


@click.command(short_help="Run everything on this machine until Ctrl-C.")
@data_dir_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where the api listens; 0.0.0.0 for every network.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8443,
    show_default=True,
    help="Port of the api; 0 takes a free one.",
)
@click.option(
    "--replicas",
    multiple=True,
    metavar="SERVICE=N",
    help=f"Run N of a service; repeat it or separate with commas. Services: {', '.join(SERVICES)}.",
)
@click.option(
    "--samples",
    is_flag=True,
    help="Install the sample image streams and templates (needs public registries).",
)
@click.option("--quiet", is_flag=True, help="Print the ready line only.")
@click.option(
    "--log-level",
    type=click.Choice(_LOG_LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="How much the services write to DIR/logs.",
)
def up(
    data_dir: Path,
    host: str,
    port: int,
    replicas: tuple[str, ...],
    samples: bool,
    quiet: bool,
    log_level: str,
) -> None:
    """Run PostgreSQL, NATS and every service on this machine until Ctrl-C.

    Everything is kept in DIR; starting again on the same DIR continues where it was.
    TAGSTREAM_POSTGRES_URL and TAGSTREAM_NATS_URL name existing servers to use instead.
    """
    try:
        counts = parse_replicas(replicas)
    except SetupError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    options = StackOptions(
        data_dir=data_dir.expanduser().absolute(),
        host=host,
        port=port,
        replicas=counts,
        log_level=log_level,
        postgres_url=os.environ.get("TAGSTREAM_POSTGRES_URL", ""),
        nats_url=os.environ.get("TAGSTREAM_NATS_URL", ""),
        samples=samples,
    )
    terminal = _Terminal(quiet)
    try:
        asyncio.run(run_stack(options, terminal))
    finally:
        terminal.clear()
