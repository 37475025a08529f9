"""Certificates, kubeconfigs and private files of the embedded stack."""

from __future__ import annotations

import base64
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from tagstream.embedded.certificates import ensure_pki, needs_renewal, server_names
from tagstream.embedded.datadir import DataDirLock, lock_holder, open_data_dir, write_private
from tagstream.embedded.failures import SetupError
from tagstream.embedded.kubeconfig import BearerToken, ClientCertificate, kubeconfig_text
from tagstream.embedded.ports import choose_ports, claim_api_port

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_certificate_is_renewed_near_its_end_or_when_a_name_is_missing() -> None:
    names = frozenset({"a", "b"})
    assert not needs_renewal(NOW + timedelta(days=61), names, frozenset({"a"}), NOW)
    assert needs_renewal(NOW + timedelta(days=59), names, frozenset({"a"}), NOW)
    assert needs_renewal(NOW + timedelta(days=300), names, frozenset({"c"}), NOW)


def test_nothing_is_made_anew_on_the_next_start(tmp_path: Path) -> None:
    ensure_pki(tmp_path, "127.0.0.1", NOW)
    before = _contents(tmp_path)
    ensure_pki(tmp_path, "127.0.0.1", NOW + timedelta(days=30))
    assert _contents(tmp_path) == before


def test_another_host_renews_only_the_server_certificate(tmp_path: Path) -> None:
    ensure_pki(tmp_path, "127.0.0.1", NOW)
    before = _contents(tmp_path)
    pki = ensure_pki(tmp_path, "10.0.0.7", NOW)
    changed = {name for name, content in _contents(tmp_path).items() if content != before[name]}
    assert changed == {"server.crt", "server.key"}
    assert str(_names(pki.server_certificate)).count("10.0.0.7") == 1


def test_a_new_authority_renews_its_certificates_and_keeps_the_other_keys(tmp_path: Path) -> None:
    ensure_pki(tmp_path, "127.0.0.1", NOW)
    before = _contents(tmp_path)
    ensure_pki(tmp_path, "127.0.0.1", NOW + timedelta(days=3600))
    kept = {name for name, content in _contents(tmp_path).items() if content == before[name]}
    assert kept == {"token.key", "secret.key"}


def test_the_admin_certificate_names_user_and_group(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, "127.0.0.1", NOW)
    admin = x509.load_pem_x509_certificate(pki.admin_certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(pki.ca_certificate.read_bytes())
    assert admin.subject.rfc4514_string() == "CN=system:admin,O=system:masters"
    admin.verify_directly_issued_by(authority)


def test_keys_are_private_and_the_secret_key_has_32_bytes_in_base64(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, "127.0.0.1", NOW)
    assert len(base64.b64decode(pki.secret_key.read_text())) == 32
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_damaged_certificate_is_named(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path, "127.0.0.1", NOW)
    pki.server_certificate.write_text("nonsense")
    with pytest.raises(SetupError, match=r"server\.crt"):
        ensure_pki(tmp_path, "127.0.0.1", NOW)


def test_a_wildcard_address_is_no_name_of_the_server() -> None:
    assert "0.0.0.0" not in server_names("0.0.0.0")
    assert {"localhost", "kubernetes", "::1", "h"} <= server_names("h")


def _names(certificate: Path) -> list[object]:
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [name.value for name in names]


@pytest.mark.parametrize("credentials", [ClientCertificate(b"c", b"k"), BearerToken("t")])
def test_a_kubeconfig_is_complete_yaml(credentials: ClientCertificate | BearerToken) -> None:
    text = kubeconfig_text(
        server="https://[::1]:8443",
        ca=b"ca",
        user="system:admin",
        credentials=credentials,
        namespace="default",
    )
    document = yaml.safe_load(text)
    context = document["contexts"][0]
    assert document["current-context"] == context["name"]
    assert context["context"]["namespace"] == "default"
    assert context["context"]["user"] == document["users"][0]["name"] == "system:admin"
    cluster = document["clusters"][0]["cluster"]
    assert cluster["server"] == "https://[::1]:8443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"ca"


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in tmp_path.iterdir()] == ["f"]


def test_a_second_holder_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    directory = open_data_dir(tmp_path / "d")
    lock = DataDirLock(directory)
    lock.acquire()
    with pytest.raises(SetupError, match=r"process \d+\); stop that one"):
        DataDirLock(directory).acquire()
    assert lock_holder(directory)
    lock.release()
    assert lock_holder(directory) is None
    DataDirLock(directory).acquire()


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(SetupError, match="--data-dir"):
        open_data_dir(tmp_path / "f")


def test_a_taken_port_names_the_flag_and_free_ones_differ() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} .* is in use; .* --port"):
            claim_api_port("127.0.0.1", port)
        chosen = choose_ports([port, 0, 0])
    assert port not in chosen
    assert len(set(chosen)) == 3
