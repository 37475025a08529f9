"""Reading kubeconfig files and service accounts; building patches."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from tagstream.errors import InvalidInput
from tagstream.kube.config import load_cluster_config, load_in_cluster, parse_kubeconfig
from tagstream.kube.patches import pointer
from tagstream.kube.resources import ResourceType


def kubeconfig(cluster: dict[str, object] | None = None, user: object = None) -> str:
    return yaml.safe_dump(
        {
            "current-context": "main",
            "contexts": [
                {"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}
            ],
            "clusters": [
                {"name": "c", "cluster": {"server": "https://h:6443/", **(cluster or {})}}
            ],
            "users": [{"name": "u", "user": {} if user is None else user}],
        }
    )


def test_everything_in_one_file(tmp_path: Path) -> None:
    pem = base64.b64encode(b"PEM").decode()
    user = {"client-certificate-data": pem, "client-key-data": pem, "token": "t"}
    text = kubeconfig({"certificate-authority-data": pem, "tls-server-name": "x"}, user)
    config = parse_kubeconfig(text, tmp_path)
    assert (config.server, config.namespace) == ("https://h:6443", "ns")
    assert (config.ca_pem, config.client_cert_pem, config.client_key_pem) == ("PEM",) * 3
    assert (config.token, config.tls_server_name) == ("t", "x")
    assert "PEM" not in repr(config).replace("ca_pem='PEM'", "")


def test_named_files_lie_beside_the_kubeconfig(tmp_path: Path) -> None:
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).write_text(name)
    user = {"client-certificate": "tls.crt", "client-key": "tls.key", "tokenFile": "token"}
    (tmp_path / "config").write_text(kubeconfig({"certificate-authority": "ca.crt"}, user))
    config = load_cluster_config(tmp_path / "config", {})
    assert (config.ca_pem, config.client_cert_pem) == ("ca.crt", "tls.crt")
    assert config.token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("a: [", "kubeconfig"),
        ("[]", "kubeconfig"),
        ("{}", "current-context"),
        ("current-context: x", "contexts"),
        (kubeconfig({"server": "h:6443"}), "cluster.server"),
        (kubeconfig({"server": "https://[::1"}), "cluster.server"),
        (kubeconfig({"certificate-authority-data": "!"}), "cluster.certificate-authority-data"),
        (kubeconfig({"certificate-authority": "nowhere"}), "cluster.certificate-authority"),
        (kubeconfig(user={"exec": {"command": "aws"}}), "user.exec"),
        (kubeconfig(user={"username": "u", "password": "p"}), "user.username"),
        (kubeconfig(user={"token": 1}), "user.token"),
        (kubeconfig(user={"client-key-data": "UEVN"}), "user"),
        (kubeconfig(user=[]), "users[u].user"),
    ],
)
def test_a_faulty_file_is_refused_by_field(text: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_kubeconfig(text, tmp_path)
    assert caught.value.field == field


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nowhere"):
        load_cluster_config(tmp_path / "nowhere", {})


def test_inside_a_pod_the_service_account_is_used(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "namespace").write_text("tagstream\n")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    config = load_in_cluster(environ, tmp_path)
    assert (config.server, config.namespace) == ("https://[fd00::1]:443", "tagstream")
    with pytest.raises(InvalidInput, match="TAGSTREAM_KUBECONFIG"):
        load_cluster_config(None, {})


def test_paths_and_pointers_are_escaped() -> None:
    pods, nodes = ResourceType("v1", "Pod", "pods"), ResourceType("v1", "Node", "nodes", False)
    assert pods.path() == "/api/v1/pods"
    assert pods.path("a", "x/y", "status") == "/api/v1/namespaces/a/pods/x%2Fy/status"
    assert ResourceType("apps/v1", "D", "ds").path("a") == "/apis/apps/v1/namespaces/a/ds"
    with pytest.raises(ValueError, match="no namespace"):
        nodes.path("a")
    assert pointer("a/b", "c~d", 0) == "/a~1b/c~0d/0"
