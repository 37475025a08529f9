"""Service account tokens."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tagstream.api.access.tokens import TokenClaims, TokenKey
from tagstream.errors import InvalidInput

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CLAIMS = TokenClaims("team", "builder", "uid-1", "jti-1", NOW, NOW + timedelta(hours=1))


def pem(curve: ec.EllipticCurve) -> bytes:
    return ec.generate_private_key(curve).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture(scope="module")
def key() -> TokenKey:
    return TokenKey.from_pem(pem(ec.SECP256R1()))


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def decode(part: str) -> dict[str, object]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))  # type: ignore[no-any-return]


def test_a_token_says_what_was_signed(key: TokenKey) -> None:
    token = key.sign(CLAIMS)
    assert key.verify(token, NOW) == CLAIMS
    payload = decode(token.split(".")[1])
    assert payload["sub"] == "system:serviceaccount:team:builder"
    assert payload["exp"] == payload["iat"] + 3600  # type: ignore[operator]


def test_a_token_ends(key: TokenKey) -> None:
    with pytest.raises(InvalidInput, match="expired"):
        key.verify(key.sign(CLAIMS), NOW + timedelta(hours=1))


def test_a_token_from_the_future_is_refused(key: TokenKey) -> None:
    with pytest.raises(InvalidInput, match="not valid yet"):
        key.verify(key.sign(CLAIMS), NOW - timedelta(minutes=1))


def test_another_key_is_another_issuer(key: TokenKey) -> None:
    other = TokenKey.from_pem(pem(ec.SECP256R1()))
    with pytest.raises(InvalidInput):
        key.verify(other.sign(CLAIMS), NOW)


def test_a_changed_payload_is_refused(key: TokenKey) -> None:
    header, payload, signature = key.sign(CLAIMS).split(".")
    forged = decode(payload) | {"sub": "system:serviceaccount:kube-system:default"}
    with pytest.raises(InvalidInput, match="not signed"):
        key.verify(f"{header}.{encode(forged)}.{signature}", NOW)


def test_another_algorithm_is_refused(key: TokenKey) -> None:
    _, payload, _ = key.sign(CLAIMS).split(".")
    for algorithm in ("none", "HS256"):
        with pytest.raises(InvalidInput):
            key.verify(f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{payload}.", NOW)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "é.b.c", "x" * 10_000, "eyJhbGciOiJFUzI1NiJ9.e30."]
)
def test_garbage_is_refused_with_a_sentence(key: TokenKey, token: str) -> None:
    with pytest.raises(InvalidInput, match="token: "):
        key.verify(token, NOW)


def test_a_garbled_signature_is_refused(key: TokenKey) -> None:
    signed, _, _ = key.sign(CLAIMS).rpartition(".")
    for signature in ("", "!!", "AAAA", base64.urlsafe_b64encode(bytes(64)).decode().rstrip("=")):
        with pytest.raises(InvalidInput):
            key.verify(f"{signed}.{signature}", NOW)


@pytest.mark.parametrize("content", [b"", b"secret", pem(ec.SECP384R1())])
def test_a_wrong_key_file_names_the_setting(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="TAGSTREAM_API_TOKEN_KEY_FILE"):
        TokenKey.from_pem(content)
