"""Service account tokens: JSON Web Tokens signed with ES256, made and checked here.

Owns the form and the signature. Whether the account still exists is the authenticator's question.
The key is an EC P-256 private key in PEM, shared by all replicas (TAGSTREAM_API_TOKEN_KEY_FILE).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from tagstream.api.access.rbac import account_username, split_account
from tagstream.errors import InvalidInput

ISSUER = "https://kubernetes.default.svc"
_LONGEST_BYTES = 8192
_NUMBER_BYTES = 32
_SKEW_S = 10
_ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token says. `uid` is the account's, `id` the token's own; times in whole seconds."""

    namespace: str
    name: str
    uid: str
    id: str
    issued_at: datetime
    expires_at: datetime
    audiences: tuple[str, ...] = (ISSUER,)


class TokenKey:
    """Signs and checks. Build it with `from_pem`."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        self._public = private.public_key()
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        key_id = _encode(hashlib.sha256(der).digest())
        self._header = _encode(orjson.dumps({"alg": "ES256", "kid": key_id, "typ": "JWT"}))

    @classmethod
    def from_pem(cls, pem: bytes) -> TokenKey:
        """Raises InvalidInput naming the setting when it is no EC P-256 private key."""
        field = "TAGSTREAM_API_TOKEN_KEY_FILE"
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            reason = "is no unencrypted private key in PEM; make an EC P-256 key"
            raise InvalidInput(field, reason) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise InvalidInput(field, "holds a key that is not EC P-256; make one of that kind")
        return cls(key)

    def sign(self, claims: TokenClaims) -> str:
        """The token."""
        issued, expires = int(claims.issued_at.timestamp()), int(claims.expires_at.timestamp())
        payload = {
            "aud": list(claims.audiences),
            "exp": expires,
            "iat": issued,
            "iss": ISSUER,
            "jti": claims.id,
            "kubernetes.io": {
                "namespace": claims.namespace,
                "serviceaccount": {"name": claims.name, "uid": claims.uid},
            },
            "nbf": issued,
            "sub": account_username(claims.namespace, claims.name),
        }
        signed = f"{self._header}.{_encode(orjson.dumps(payload))}"
        r, s = decode_dss_signature(self._private.sign(signed.encode(), _ECDSA))
        signature = r.to_bytes(_NUMBER_BYTES, "big") + s.to_bytes(_NUMBER_BYTES, "big")
        return f"{signed}.{_encode(signature)}"

    def verify(self, token: str, now: datetime) -> TokenClaims:
        """What the token says. Raises InvalidInput for one that is not ours or not valid now."""
        if len(token) > _LONGEST_BYTES or not token.isascii():
            raise InvalidInput("token", "is not a service account token")
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        # One algorithm and one key: a header that says anything else is not ours.
        if header != self._header:
            raise InvalidInput("token", "was not issued by this server")
        self._check_signature(signed, signature)
        claims = _parse_claims(_load(payload))
        if claims.expires_at <= now:
            raise InvalidInput("token", "has expired; ask for a new one")
        if claims.issued_at.timestamp() - now.timestamp() > _SKEW_S:
            raise InvalidInput("token", "is not valid yet; compare the clocks")
        return claims

    def _check_signature(self, signed: str, signature: str) -> None:
        raw = _decode(signature)
        if len(raw) != 2 * _NUMBER_BYTES:
            raise InvalidInput("token", "has a malformed signature")
        r = int.from_bytes(raw[:_NUMBER_BYTES], "big")
        s = int.from_bytes(raw[_NUMBER_BYTES:], "big")
        try:
            self._public.verify(encode_dss_signature(r, s), signed.encode(), _ECDSA)
        except InvalidSignature as error:
            raise InvalidInput("token", "was not signed by this server") from error


def _parse_claims(payload: Any) -> TokenClaims:
    """Only ever sees a payload that we signed; still, an older version may have."""
    try:
        account = split_account(payload["sub"])
        bound = payload["kubernetes.io"]["serviceaccount"]
        if account is None or payload["iss"] != ISSUER or bound["name"] != account[1]:
            raise ValueError("another issuer")
        return TokenClaims(
            *account,
            uid=bound["uid"],
            id=payload["jti"],
            issued_at=datetime.fromtimestamp(payload["iat"], UTC),
            expires_at=datetime.fromtimestamp(payload["exp"], UTC),
            audiences=tuple(payload["aud"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput("token", "does not name a service account") from error


def _load(payload: str) -> Any:
    try:
        return orjson.loads(_decode(payload))
    except orjson.JSONDecodeError as error:
        raise InvalidInput("token", "is malformed") from error


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("token", "is malformed") from error
