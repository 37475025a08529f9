"""`tagstream page`: where the web page is, and a token to sign in with.

Makes the token, and the account it is of, on a Tagstream api only: a kubeconfig may name any
cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tagstream.cli.location import data_dir_option
from tagstream.cli.triggers import find_kubeconfig
from tagstream.errors import Conflict, InvalidInput, NotFound, Upstream

if TYPE_CHECKING:
    from tagstream.kube.client import KubeClient
    from tagstream.kube.config import ClusterConfig
    from tagstream.kube.resources import ResourceType

_OWN = "tagstream-system/page-reader"
_ROLE = "cluster-reader"
_HOURS = 12
# A file of the page that is sent to everybody, and what only ours says.
_OURS = ("/ui/static/icon.svg", b"<title>Tagstream</title>")
_MOST_BYTES = 4096
_TIMEOUT_S = 10


@click.command(short_help="Print where the web page is, and a token to sign in with.")
@data_dir_option
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Whose rights are used to make the token. Default: those of the stack in --data-dir "
    "if that is given, else of KUBECONFIG, else of the stack.",
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
    path = find_kubeconfig(kubeconfig, data_dir)
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
    async with KubeClient(config, user_agent="tagstream-cli", timeout_s=_TIMEOUT_S) as client:
        await _require_ours(client, config.server)
        if is_own:
            await _make_reader(client, accounts, namespace, name)
        answer = await client.create(accounts, namespace, request, below=(name, "token"))
    status = answer.get("status")
    token = status.get("token") if isinstance(status, dict) else None
    if not isinstance(token, str):
        raise Upstream("the server made no token")
    return token


async def _require_ours(client: KubeClient, server: str) -> None:
    """Raises InvalidInput for a server that is not Tagstream's: nothing is to be made there."""
    path, mark = _OURS
    content = b""
    try:
        async with client.stream(path, {}, idle_s=_TIMEOUT_S, total_s=_TIMEOUT_S) as answer:
            while len(content) < _MOST_BYTES and (chunk := await answer.read(_MOST_BYTES)):
                content += chunk
    except (NotFound, InvalidInput):
        pass
    except Upstream as error:
        if error.transient or not error.code:
            raise
    if mark not in content:
        raise InvalidInput(
            "--kubeconfig",
            f"{server} is not a Tagstream api, so nothing was made there; "
            "name one with --kubeconfig or --data-dir",
        )


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
