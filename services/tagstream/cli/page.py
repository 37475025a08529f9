"""`tagstream page`: where the web page is, and a token to sign in with."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagstream.cli.location import data_dir_option
from tagstream.cli.triggers import choose_kubeconfig
from tagstream.errors import Conflict, Upstream

if TYPE_CHECKING:
    from tagstream.kube.client import KubeClient
    from tagstream.kube.config import ClusterConfig
    from tagstream.kube.resources import ResourceType

_OWN = "tagstream-system/page-reader"
_ROLE = "cluster-reader"
_HOURS = 12


@click.command(short_help="Print where the web page is, and a token to sign in with.")
@data_dir_option
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Whose rights are used to make the token. Default: KUBECONFIG, else the stack's own.",
)
@click.option(
    "--account",
    metavar="NAMESPACE/NAME",
    default=_OWN,
    show_default=True,
    help="The service account to sign in as; the default is made if needed and may read all.",
)
def page(data_dir: Path, kubeconfig: Path | None, account: str) -> None:
    """Print the address of the web page, and a token that signs you in for twelve hours.

    Whoever has the token sees what its service account may read.
    """
    from tagstream.kube.config import load_cluster_config

    namespace, separator, name = account.partition("/")
    if not (separator and namespace and name) or "/" in name:
        raise click.UsageError(
            f"--account: {account!r} must be written NAMESPACE/NAME", click.get_current_context()
        )
    path = choose_kubeconfig(kubeconfig, os.environ, data_dir)
    config = load_cluster_config(path, os.environ)
    token = asyncio.run(_make_token(config, namespace, name, is_own=account == _OWN))
    click.echo(f"{config.server}/")
    click.echo(token)


async def _make_token(config: ClusterConfig, namespace: str, name: str, *, is_own: bool) -> str:
    from tagstream.kube.client import KubeClient
    from tagstream.kube.resources import ResourceType

    accounts = ResourceType("v1", "ServiceAccount", "serviceaccounts")
    request: dict[str, object] = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _HOURS * 3600},
    }
    async with KubeClient(config, user_agent="tagstream-cli", timeout_s=10) as client:
        if is_own:
            await _make_reader(client, accounts, namespace, name)
        answer = await client.create(accounts, namespace, request, below=(name, "token"))
    status = answer.get("status")
    token = status.get("token") if isinstance(status, dict) else None
    if not isinstance(token, str):
        raise Upstream("the server made no token")
    return token


async def _make_reader(
    client: KubeClient, accounts: ResourceType, namespace: str, name: str
) -> None:
    """A service account that may read everything, unless there is one."""
    from tagstream.kube.resources import ResourceType

    bindings = ResourceType(
        "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", False
    )
    account: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
    }
    binding: dict[str, object] = {
        "apiVersion": bindings.api_version,
        "kind": bindings.kind,
        "metadata": {"name": f"tagstream-{name}"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": _ROLE,
        },
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    with contextlib.suppress(Conflict):
        await client.create(accounts, namespace, account)
    with contextlib.suppress(Conflict):
        await client.create(bindings, None, binding)
