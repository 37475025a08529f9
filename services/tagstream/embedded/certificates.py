"""The stack's own certificate authority, its certificates and keys, all 0600 under `DIR/pki`.

Owns making and renewing them. The token-signing key is an EC P-256 private key in PKCS#8 PEM; the
secret-encryption key is 32 random bytes. Neither is ever replaced once made: tokens and stored
secrets depend on them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tagstream.embedded.datadir import write_private
from tagstream.embedded.failures import SetupError
from tagstream.store.sealing import make_key_line

_CA_LIFETIME = timedelta(days=3650)
_LEAF_LIFETIME = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=60)
# A clock that is a little behind must not find the certificate not yet valid.
_BACKDATED = timedelta(hours=1)

ALWAYS_NAMED = (
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)


@dataclass(frozen=True, slots=True)
class Pki:
    """Where the files are."""

    folder: Path

    @property
    def ca_certificate(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server_certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def admin_certificate(self) -> Path:
        return self.folder / "admin.crt"

    @property
    def admin_key(self) -> Path:
        return self.folder / "admin.key"

    @property
    def token_key(self) -> Path:
        return self.folder / "token.key"

    @property
    def secret_key(self) -> Path:
        return self.folder / "secret.key"


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def needs_renewal(
    expires_at: datetime, names: frozenset[str], wanted: frozenset[str], now: datetime
) -> bool:
    """Whether a certificate is near its end or does not name every host that is wanted."""
    return expires_at - now < _RENEW_BEFORE or not wanted <= names


def server_names(host: str) -> frozenset[str]:
    """The names a client may use for a server bound to `host`."""
    if host in ("", "0.0.0.0", "::"):
        return frozenset(ALWAYS_NAMED)
    return frozenset((*ALWAYS_NAMED, host))


def ensure_pki(folder: Path, host: str, now: datetime | None = None) -> Pki:
    """Make what is missing, renew what is near its end or lacks `host`; returns the paths."""
    now = now or datetime.now(UTC)
    pki = Pki(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_key = folder / "ca.key"
    ca = _load(pki.ca_certificate, ca_key)
    renew_all = ca is None or needs_renewal(
        ca.certificate.not_valid_after_utc, frozenset(), frozenset(), now
    )
    if ca is None or renew_all:
        ca = _issue_ca(now)
        _save(ca, pki.ca_certificate, ca_key)
    wanted = server_names(host)
    if renew_all or _is_due(pki.server_certificate, pki.server_key, wanted, now):
        server = _issue(ca, _subject("tagstream"), wanted, ExtendedKeyUsageOID.SERVER_AUTH, now)
        _save(server, pki.server_certificate, pki.server_key)
    if renew_all or _is_due(pki.admin_certificate, pki.admin_key, frozenset(), now):
        admin = _subject("system:admin", "system:masters")
        issued = _issue(ca, admin, (), ExtendedKeyUsageOID.CLIENT_AUTH, now)
        _save(issued, pki.admin_certificate, pki.admin_key)
    if not pki.token_key.exists():
        write_private(pki.token_key, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    if not pki.secret_key.exists():
        write_private(pki.secret_key, make_key_line().encode())
    return pki


def _is_due(certificate: Path, key: Path, wanted: frozenset[str], now: datetime) -> bool:
    pair = _load(certificate, key)
    if pair is None:
        return True
    names = _names(pair.certificate)
    return needs_renewal(pair.certificate.not_valid_after_utc, names, wanted, now)


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(str(name.value) for name in extension.value)


def _load(certificate: Path, key: Path) -> _Pair | None:
    if not certificate.exists() or not key.exists():
        return None
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("not an elliptic-curve key")
        return _Pair(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{certificate} and {key.name} cannot be used ({error}); "
            "remove both files and they are made anew"
        ) from error


def _save(pair: _Pair, certificate: Path, key: Path) -> None:
    # The certificate last: without it the pair counts as missing and is made again.
    certificate.unlink(missing_ok=True)
    write_private(key, _key_pem(pair.key))
    write_private(certificate, pair.certificate.public_bytes(serialization.Encoding.PEM))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _subject(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _issue_ca(now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The time in the name: clients that still hold an older CA say "unknown authority", which is
    # clear, instead of "bad signature".
    name = _subject(f"tagstream-ca@{int(now.timestamp())}")
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key.public_key(), now, _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _issue(
    ca: _Pair, subject: x509.Name, names: Iterable[str], usage: x509.ObjectIdentifier, now: datetime
) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    signing_only = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    builder = (
        _builder(subject, ca.certificate.subject, key.public_key(), now, _LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(signing_only, critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
    )
    alternatives = [_general_name(name) for name in sorted(names)]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return _Pair(builder.sign(ca.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
