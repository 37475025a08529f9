"""`tagstream triggers pause|resume|status`: one command stops images from moving workloads.

Owns the command. The pause itself is an object of the api (`triggerpauses.tagstream.dev`), named
`all` or `namespace.<namespace>`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from tagstream.cli.location import data_dir_option
from tagstream.embedded.datadir import DataDir
from tagstream.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from tagstream.kube.client import KubeClient
    from tagstream.kube.resources import ResourceType

_API_VERSION = "tagstream.dev/v1alpha1"
_EVERYWHERE = "all"
_Command = TypeVar("_Command", bound=Callable[..., object])


@click.group(short_help="Pause and resume workload triggers.")
def triggers() -> None:
    """Pause and resume what happens to workloads when a tag moves."""


def _scope_options(command: _Command) -> _Command:
    command = click.option("--namespace", "-n", metavar="NS", help="In this namespace.")(command)
    command = click.option("--all", "everywhere", is_flag=True, help="Everywhere.")(command)
    return _access_options(command)


def _access_options(command: _Command) -> _Command:
    kubeconfig = click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Who to be; default: the data directory's if one is given, else $KUBECONFIG.",
    )
    return kubeconfig(data_dir_option(command))


@triggers.command()
@_scope_options
@click.option("--reason", default="", help="Why, for those who ask later.")
def pause(
    data_dir: Path, kubeconfig: Path | None, namespace: str | None, everywhere: bool, reason: str
) -> None:
    """Stop triggers; tags move, workloads stay."""
    name = _pause_name(namespace, everywhere)
    body = {
        "apiVersion": _API_VERSION,
        "kind": "TriggerPause",
        "metadata": {"name": name},
        "spec": {"namespace": namespace or "", "reason": reason},
    }

    async def run(client: KubeClient) -> str:
        try:
            await client.create(_pauses(), None, body)
        except Conflict:
            return f"triggers were already paused {_where(namespace)}"
        return f"triggers are paused {_where(namespace)}"

    click.echo(_with_client(kubeconfig, data_dir, run))


@triggers.command()
@_scope_options
def resume(
    data_dir: Path, kubeconfig: Path | None, namespace: str | None, everywhere: bool
) -> None:
    """Let triggers work again; workloads catch up with their tags."""
    name = _pause_name(namespace, everywhere)

    async def run(client: KubeClient) -> str:
        try:
            await client.delete(_pauses(), None, name)
        except NotFound:
            return f"triggers were not paused {_where(namespace)}"
        return f"triggers work again {_where(namespace)}"

    click.echo(_with_client(kubeconfig, data_dir, run))


@triggers.command()
@_access_options
def status(data_dir: Path, kubeconfig: Path | None) -> None:
    """Show where triggers are paused, since when and why."""

    async def run(client: KubeClient) -> str:
        pauses = await client.list(_pauses())
        lines = [_describe(item) for item in pauses.items]
        return "\n".join(lines) or "triggers are not paused anywhere"

    click.echo(_with_client(kubeconfig, data_dir, run))


def _pause_name(namespace: str | None, everywhere: bool) -> str:
    if bool(namespace) == everywhere:
        raise click.UsageError(
            "say where: either --namespace NS or --all", click.get_current_context()
        )
    return f"namespace.{namespace}" if namespace else _EVERYWHERE


def _where(namespace: str | None) -> str:
    return f"in namespace {namespace}" if namespace else "everywhere"


def _describe(item: Mapping[str, object]) -> str:
    spec, metadata = _mapping(item, "spec"), _mapping(item, "metadata")
    reason = spec.get("reason")
    said = f": {reason}" if reason else ""
    namespace = str(spec.get("namespace") or "")
    return f"paused {_where(namespace)} since {metadata.get('creationTimestamp')}{said}"


def _mapping(item: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = item.get(key)
    return value if isinstance(value, dict) else {}


def _pauses() -> ResourceType:
    from tagstream.kube.resources import ResourceType

    return ResourceType(_API_VERSION, "TriggerPause", "triggerpauses", namespaced=False)


def _with_client(
    kubeconfig: Path | None, data_dir: Path, run: Callable[[KubeClient], Coroutine[None, None, str]]
) -> str:
    from tagstream.kube.client import KubeClient
    from tagstream.kube.config import load_cluster_config

    path = find_kubeconfig(kubeconfig, data_dir)
    config = load_cluster_config(path, os.environ)

    async def call() -> str:
        async with KubeClient(config, user_agent="tagstream-cli", timeout_s=10) as client:
            return await run(client)

    return asyncio.run(call())


def find_kubeconfig(given: Path | None, data_dir: Path) -> Path:
    """`choose_kubeconfig` for the command that runs: a `--data-dir` written in it is meant,
    whatever cluster the shell is set to."""
    source = click.get_current_context().get_parameter_source("data_dir")
    environment = {} if source is ParameterSource.COMMANDLINE else os.environ
    return choose_kubeconfig(given, environment, data_dir)


def choose_kubeconfig(given: Path | None, environment: Mapping[str, str], data_dir: Path) -> Path:
    """The one given, else the first that `$KUBECONFIG` names, else the data directory's own.

    Raises `InvalidInput` if there is none.
    """
    if given is not None:
        return given
    named = [path for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]
    if named:
        return Path(named[0]).expanduser()
    own = DataDir(data_dir.expanduser().absolute()).kubeconfig
    if not own.exists():
        raise InvalidInput(
            "--kubeconfig",
            f"{own} does not exist; start `tagstream up`, or set --kubeconfig, KUBECONFIG "
            "or --data-dir",
        )
    return own
