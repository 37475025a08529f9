"""Kubeconfig files: for a person (client certificate) and for a service account (token).

Owns the text of the file. Reading somebody else's kubeconfig is the command line's business.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Both in PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerToken:
    token: str = field(repr=False)


def kubeconfig_text(
    *,
    server: str,
    ca: bytes,
    user: str,
    credentials: ClientCertificate | BearerToken,
    namespace: str,
) -> str:
    """A kubeconfig with one cluster, one user and the current context `tagstream`; `ca` in PEM."""
    return f"""\
apiVersion: v1
kind: Config
preferences: {{}}
clusters:
- name: tagstream
  cluster:
    server: {json.dumps(server)}
    certificate-authority-data: {_base64(ca)}
users:
- name: {json.dumps(user)}
  user:
{_credentials(credentials)}
contexts:
- name: tagstream
  context:
    cluster: tagstream
    user: {json.dumps(user)}
    namespace: {json.dumps(namespace)}
current-context: tagstream
"""


def _credentials(credentials: ClientCertificate | BearerToken) -> str:
    if isinstance(credentials, BearerToken):
        return f"    token: {json.dumps(credentials.token)}"
    return (
        f"    client-certificate-data: {_base64(credentials.certificate)}\n"
        f"    client-key-data: {_base64(credentials.key)}"
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
