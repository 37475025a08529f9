"""Where the cluster is and who we are to it: kubeconfig files and in-cluster service accounts.

Owns parsing and loading. Plugins that run programs (`exec`, `auth-provider`) are refused: a service
uses a certificate or a token.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tagstream.errors import InvalidInput

IN_CLUSTER_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MAX_KUBECONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One cluster and one identity; everything in PEM is the text itself, not a path.

    `token_file` is read again from time to time because kubelets rotate it.
    """

    server: str
    ca_pem: str = ""
    client_cert_pem: str = field(default="", repr=False)
    client_key_pem: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    namespace: str = "default"
    tls_server_name: str = ""
    insecure: bool = False


def load_cluster_config(
    kubeconfig: Path | None, environ: Mapping[str, str], context: str = ""
) -> ClusterConfig:
    """The given kubeconfig, or else the service account of the Pod we run in.

    Raises InvalidInput when neither is usable.
    """
    if kubeconfig is None:
        return load_in_cluster(environ)
    try:
        if kubeconfig.stat().st_size > _MAX_KUBECONFIG_BYTES:
            raise InvalidInput("kubeconfig", f"{kubeconfig} is larger than 1 MiB")
        text = kubeconfig.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("kubeconfig", f"cannot read {kubeconfig}: {error}") from error
    return parse_kubeconfig(text, kubeconfig.parent, context)


def load_in_cluster(environ: Mapping[str, str], directory: Path = IN_CLUSTER_DIR) -> ClusterConfig:
    """The service account that Kubernetes mounts into a Pod. Raises InvalidInput outside one."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise InvalidInput(
            "kubeconfig", "not set, and this is not a Pod; name a file with TAGSTREAM_KUBECONFIG"
        )
    namespace = directory / "namespace"
    return ClusterConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_pem=_read(directory / "ca.crt", "ca.crt"),
        token_file=directory / "token",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


def parse_kubeconfig(text: str, directory: Path, context: str = "") -> ClusterConfig:
    """Read a kubeconfig; relative file names in it count from `directory`.

    `context` defaults to the file's current one. Raises InvalidInput naming the faulty field.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" in line {place.line + 1}" if place else ""
        raise InvalidInput("kubeconfig", f"is not valid YAML{line}") from error
    if not isinstance(document, dict):
        raise InvalidInput("kubeconfig", "must be a YAML mapping with clusters, users and contexts")
    name = context or _text(document, "current-context", "current-context")
    if not name:
        raise InvalidInput("current-context", "is not set; set it or name a context")
    chosen = _named(document, "contexts", name, "context")
    cluster = _named(document, "clusters", _text(chosen, "cluster", "context.cluster"), "cluster")
    user_name = _text(chosen, "user", "context.user")
    user = _named(document, "users", user_name, "user") if user_name else {}
    return _build_config(cluster, user, directory, _text(chosen, "namespace", "context.namespace"))


def _build_config(
    cluster: dict[str, object], user: dict[str, object], directory: Path, namespace: str
) -> ClusterConfig:
    for plugin in ("exec", "auth-provider", "username", "password"):
        if user.get(plugin):
            raise InvalidInput(
                f"user.{plugin}", "is not supported here; use a client certificate or a token"
            )
    cert = _pem(user, "client-certificate", directory, "user")
    key = _pem(user, "client-key", directory, "user")
    if bool(cert) != bool(key):
        raise InvalidInput("user", "client-certificate and client-key must be given together")
    token_file = _text(user, "tokenFile", "user.tokenFile")
    return ClusterConfig(
        server=_server(_text(cluster, "server", "cluster.server")),
        ca_pem=_pem(cluster, "certificate-authority", directory, "cluster"),
        client_cert_pem=cert,
        client_key_pem=key,
        token=_text(user, "token", "user.token"),
        token_file=directory / token_file if token_file else None,
        namespace=namespace or "default",
        tls_server_name=_text(cluster, "tls-server-name", "cluster.tls-server-name"),
        insecure=cluster.get("insecure-skip-tls-verify") is True,
    )


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInput("cluster.server", "must be a URL such as https://127.0.0.1:6443")
    return url.rstrip("/")


def _named(document: dict[str, object], section: str, name: str, key: str) -> dict[str, object]:
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(key)
            if isinstance(found, dict):
                return found
            raise InvalidInput(f"{section}[{name}].{key}", "must be a mapping")
    raise InvalidInput(section, f"has no entry named {name!r}")


def _text(mapping: dict[str, object], key: str, where: str) -> str:
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(where, "must be a string")
    return value


def _pem(mapping: dict[str, object], key: str, directory: Path, where: str) -> str:
    encoded = _text(mapping, f"{key}-data", f"{where}.{key}-data")
    if encoded:
        try:
            return base64.b64decode(encoded, validate=True).decode("ascii")
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"{where}.{key}-data", "must be a PEM file in base64") from error
    path = _text(mapping, key, f"{where}.{key}")
    return _read(directory / path, f"{where}.{key}") if path else ""


def _read(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(where, f"cannot read {path}: {error}") from error
