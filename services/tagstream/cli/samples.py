"""`tagstream samples list|diff|verify`: the sample streams and templates, and their library.

Owns the commands. What is there is asked of the api; what a library must be like is the
samples-manager's own reading of it; the words are `samples_report`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from tagstream.cli.location import data_dir_option
from tagstream.cli.triggers import find_kubeconfig
from tagstream.errors import InvalidInput

if TYPE_CHECKING:
    from tagstream.kube.client import KubeClient
    from tagstream.samples_manager.inventory import Library
    from tagstream.samples_manager.reconcile import World

_WHEN_WRITTEN = (
    "What is missing comes back by itself; what differs is written anew when the library's version "
    "changes, or when the annotation of its version is taken off."
)
_Command = TypeVar("_Command", bound=Callable[..., object])


@click.group(short_help="Sample streams and templates: what is there.")
def samples() -> None:
    """See the sample image streams and templates, and check a library of them."""


def _library_option(command: _Command) -> _Command:
    return click.option(
        "--library",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        default=lambda: os.environ.get("TAGSTREAM_SAMPLES_LIBRARY"),
        show_default="TAGSTREAM_SAMPLES_LIBRARY, else the one that comes with Tagstream",
        help="The library.",
    )(command)


def _access_options(command: _Command) -> _Command:
    kubeconfig = click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Who to be; default: the data directory's if one is given, else $KUBECONFIG.",
    )
    return kubeconfig(data_dir_option(_library_option(command)))


@samples.command("list")
@_access_options
def list_samples(data_dir: Path, kubeconfig: Path | None, library: Path | None) -> None:
    """Show every sample, whether it is installed and what its imports have come to."""
    from tagstream.cli.samples_report import describe_samples

    world = _fetch_world(kubeconfig, data_dir, library)
    click.echo("\n".join(describe_samples(world)))


@samples.command()
@_access_options
def diff(data_dir: Path, kubeconfig: Path | None, library: Path | None) -> None:
    """Show where the cluster differs from the library. Exit status 1 if it does."""
    from tagstream.cli.samples_report import describe_differences
    from tagstream.samples_manager.config import State

    world = _fetch_world(kubeconfig, data_dir, library)
    lines = describe_differences(world)
    is_removed = world.config.spec.state is State.REMOVED
    same = "no samples, as wished" if is_removed else "the cluster has what the library says"
    click.echo("\n".join(lines) or same)
    if lines and not is_removed:
        click.echo(_WHEN_WRITTEN, err=True)
    sys.exit(1 if lines else 0)


@samples.command()
@_library_option
def verify(library: Path | None) -> None:
    """Check a library without a server. Exit status 1 if anything is wrong with it."""
    from tagstream.samples_manager.library import LibraryError

    try:
        found = _load(library)
    except LibraryError as error:
        for problem in error.problems:
            click.echo(problem)
        count = len(error.problems)
        click.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)
        sys.exit(1)
    tags = sum(len(stream["spec"].get("tags", [])) for stream in found.streams.values())
    click.echo(
        f"{found.name} {found.version}: {len(found.streams)} image streams with {tags} tags, "
        f"{len(found.templates)} templates; nothing wrong"
    )


def _load(directory: Path | None, architectures: tuple[str, ...] = ()) -> Library:
    from tagstream.samples_manager.library import SHIPPED, load_library

    chosen = SHIPPED if directory is None else Path(directory).expanduser()
    if not chosen.is_dir():
        raise InvalidInput("--library", f"{chosen} is not a directory")
    return load_library(chosen, architectures)


def _fetch_world(kubeconfig: Path | None, data_dir: Path, library: Path | None) -> World:
    from tagstream.kube.client import KubeClient
    from tagstream.kube.config import load_cluster_config

    path = find_kubeconfig(kubeconfig, data_dir)
    config = load_cluster_config(path, os.environ)

    async def call() -> World:
        async with KubeClient(config, user_agent="tagstream-cli", timeout_s=10) as client:
            return await _ask(client, library)

    return asyncio.run(call())


async def _ask(client: KubeClient, library: Path | None) -> World:
    from tagstream.samples_manager.cluster import load_config, load_world

    now = datetime.now(UTC)
    config = await load_config(client, now)
    if config is None:
        raise InvalidInput(
            "configs.samples.operator.openshift.io",
            "there is no Config named cluster yet; is the samples-manager running?",
        )
    return await load_world(client, config, _load(library, config.spec.architectures), now)
