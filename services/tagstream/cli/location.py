"""Where the servers of a command are: the environment first, then the data directory of a stack.

Owns that order for every command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from tagstream.embedded.datadir import DataDir, default_data_dir
from tagstream.embedded.failures import SetupError
from tagstream.embedded.state import StackState, load_state

_Command = TypeVar("_Command", bound=Callable[..., object])


def data_dir_option(command: _Command) -> _Command:
    """`--data-dir DIR`, with the user's data directory as default."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        envvar="TAGSTREAM_DATA_DIR",
        default=lambda: default_data_dir(os.environ),
        show_default="the user's data directory",
        help="Where the stack keeps everything.",
    )(command)


def load_stack(data_dir: Path) -> tuple[DataDir, StackState | None]:
    directory = DataDir(data_dir.expanduser().absolute())
    return directory, load_state(directory.state_file)


def nats_url(data_dir: Path, environment: Mapping[str, str]) -> str:
    """Raises `SetupError` if neither names a server."""
    return environment.get("TAGSTREAM_NATS_URL") or _known_stack(data_dir).nats_url


def postgres_url(data_dir: Path, environment: Mapping[str, str]) -> str:
    """Raises `SetupError` if neither names a server."""
    variable = "TAGSTREAM_POSTGRES_URL"
    return environment.get(variable) or _known_stack(data_dir, variable).postgres_url


def _known_stack(data_dir: Path, variable: str = "TAGSTREAM_NATS_URL") -> StackState:
    directory, state = load_stack(data_dir)
    if state is None:
        raise SetupError(
            f"no stack has been started in {directory.path}; run `tagstream up`, name another "
            f"--data-dir or set {variable}"
        )
    return state
