"""`tagstream doctor`: what is wrong with a set-up, one line a check, each with its fix."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagstream.cli.location import data_dir_option, load_stack
from tagstream.embedded.datadir import DataDir, lock_holder
from tagstream.embedded.failures import SetupError
from tagstream.embedded.state import StackState

if TYPE_CHECKING:
    from tagstream.cli.doctor_report import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(short_help="Say what is wrong with a set-up, and how to fix it.")
@data_dir_option
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def doctor(data_dir: Path, output: str) -> None:
    """Check servers, versions, migrations, streams, clocks, disk and the relay.

    Looks at the stack of the data directory, or at the servers that TAGSTREAM_POSTGRES_URL and
    TAGSTREAM_NATS_URL name. Exit status 1 if a check fails; warnings alone do not fail.
    """
    from tagstream.cli.doctor_report import is_healthy

    directory, state = load_stack(data_dir)
    postgres_url = os.environ.get("TAGSTREAM_POSTGRES_URL") or (state.postgres_url if state else "")
    nats_url = os.environ.get("TAGSTREAM_NATS_URL") or (state.nats_url if state else "")
    if not postgres_url or not nats_url:
        raise SetupError(
            f"no stack has been started in {directory.path}; run `tagstream up`, name another "
            "--data-dir or set TAGSTREAM_POSTGRES_URL and TAGSTREAM_NATS_URL"
        )
    findings = asyncio.run(_examine(directory, state, postgres_url, nats_url))
    if output == "json":
        click.echo(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            level, rest = finding.line()[:4], finding.line()[4:]
            click.echo(click.style(level, fg=_STYLES[finding.level]) + rest)
    sys.exit(0 if is_healthy(findings) else 1)


async def _examine(
    directory: DataDir, state: StackState | None, postgres_url: str, nats_url: str
) -> list[Finding]:
    from tagstream.cli import doctor_checks as checks

    (postgres, newest_fact), (nats, newest_event) = await asyncio.gather(
        checks.check_postgres(postgres_url), checks.check_nats(nats_url)
    )
    findings = [*postgres, *nats, checks.check_relay(newest_fact, newest_event)]
    if state is not None:
        findings.append(checks.check_disk(directory.path))
        if lock_holder(directory) is None:
            findings.insert(0, checks.not_running(str(directory.path)))
        else:
            findings += await checks.check_services(state.health_ports)
            findings.append(await checks.check_samples(directory.kubeconfig))
    return findings
