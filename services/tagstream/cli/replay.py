"""`tagstream replay`: apply a recording again, and compare. Needs no server.

Owns arguments and the file; the words are replay_text.py's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from tagstream.errors import InvalidInput


@click.command(short_help="Apply a recording again, and compare.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Say only whether everything came out the same.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text")
def replay(file: Path, verify: bool, output: str) -> None:
    """Apply the commands of FILE, in commit order, through the decisions of this release, and
    compare changes, events, jobs and rows with what was recorded, byte for byte.

    Shows what each command does, or with --verify only the verdict. Exit status 1 at the first
    difference, which is shown with its cause. Needs no server, and touches nothing.
    """
    from tagstream.cli.replay_text import difference_json, difference_lines, story_line, verdict
    from tagstream.replay.player import Player
    from tagstream.replay.recording import check_seal, read_lines

    with _opened(file) as lines:
        check_seal(lines)
        lines.seek(0)
        player = Player()
        difference = None
        for line in read_lines(lines):
            if not verify and output == "text" and line.kind == "command":
                click.echo(story_line(line.body))
            difference = player.play([line])
            if difference is not None:
                break
    if output == "json":
        click.echo(json.dumps(difference_json(difference, player.summary), indent=2, default=str))
    else:
        found = verdict(player.summary) if difference is None else difference_lines(difference)
        click.echo("\n".join(found))
    sys.exit(0 if difference is None else 1)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    try:
        with file.open("rb") as opened:
            yield opened
    except OSError as error:
        raise InvalidInput("FILE", f"cannot read {file}: {error.strerror}") from error
