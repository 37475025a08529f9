"""Who may reach the api: the admin's kubeconfig, and those of services with tokens of their own.

Owns writing the files. A token is asked from the api over HTTPS like any client would.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tagstream.embedded.api_client import ApiAccess, ApiClient
from tagstream.embedded.certificates import Pki
from tagstream.embedded.datadir import DataDir, write_private
from tagstream.embedded.failures import SetupError
from tagstream.embedded.kubeconfig import BearerToken, ClientCertificate, kubeconfig_text
from tagstream.errors import TagstreamError

SYSTEM_NAMESPACE = "tagstream-system"
DISPATCHER_ACCOUNT = "trigger-dispatcher"
SAMPLES_ACCOUNT = "samples-manager"
_TOKEN_LIFETIME_S = 365 * 24 * 3600
_RETRY_FOR_S = 15.0


def admin_access(pki: Pki, server: str) -> ApiAccess:
    certificate = ClientCertificate(pki.admin_certificate.read_bytes(), pki.admin_key.read_bytes())
    return ApiAccess(server, pki.ca_certificate.read_bytes(), certificate)


def save_admin_kubeconfig(directory: DataDir, pki: Pki, server: str) -> None:
    access = admin_access(pki, server)
    assert access.credentials is not None
    text = kubeconfig_text(
        server=server,
        ca=access.ca,
        user="system:admin",
        credentials=access.credentials,
        namespace="default",
    )
    write_private(directory.kubeconfig, text.encode())


async def save_service_kubeconfig(path: Path, pki: Pki, server: str, account: str) -> None:
    """Ask for a token of a service's account and write its kubeconfig.

    The api makes the account while it starts, so a refusal is tried again for a while. Raises
    `SetupError` when that does not help.
    """
    token = await _fetch_token(ApiClient(admin_access(pki, server)), account)
    text = kubeconfig_text(
        server=server,
        ca=pki.ca_certificate.read_bytes(),
        user=f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account}",
        credentials=BearerToken(token),
        namespace=SYSTEM_NAMESPACE,
    )
    write_private(path, text.encode())


async def _fetch_token(client: ApiClient, account: str) -> str:
    path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{account}/token"
    wanted = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _TOKEN_LIFETIME_S},
    }
    reason: object = "no answer"
    try:
        async with asyncio.timeout(_RETRY_FOR_S):
            while True:
                try:
                    answer = await asyncio.to_thread(client.request, "POST", path, wanted)
                    return _token_of(answer)
                except TagstreamError as error:
                    reason = error
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise SetupError(f"the {account} got no token: {reason} (see the log of api-0)") from error


def _token_of(answer: dict[str, object]) -> str:
    status = answer.get("status")
    token = status.get("token") if isinstance(status, dict) else None
    if not isinstance(token, str) or not token:
        raise SetupError("the api answered a TokenRequest without a token")
    return token
