"""Who the caller is: a client certificate, a service account's token, and impersonation.

Owns turning credentials into a User. TLS has already verified the certificate's chain and purpose;
nothing here opens the api to anybody without credentials: the answer is then None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID

from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.rbac import (
    AUTHENTICATED,
    UNAUTHENTICATED,
    account_groups,
    account_username,
    split_account,
)
from tagstream.api.access.tokens import ISSUER, TokenClaims, TokenKey
from tagstream.api.engine.context import User
from tagstream.api.wire.status import ApiError, forbidden, unauthorized
from tagstream.errors import InvalidInput

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_MOST_REMEMBERED = 4096

Scope = Mapping[str, Any]
"""An ASGI scope."""


class Headers(Protocol):
    """What is read of a request's headers; names in lower case."""

    def get(self, name: bytes) -> str:
        """The first value, empty when there is none."""
        ...

    def all(self, name: bytes) -> str:
        """All values joined by commas."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    """A credential that was checked before: valid until a time, if its account still exists."""

    user: User
    until: datetime
    claims: TokenClaims | None = None


class Authenticator:
    """Remembers what it has checked, bounded, so that a known credential costs a look-up."""

    def __init__(self, key: TokenKey, policies: PolicyCache, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._policies = policies
        self._clock = clock
        self._certificates: dict[bytes, _Known] = {}
        self._tokens: dict[bytes, _Known] = {}

    async def authenticate(self, scope: Scope, headers: Headers) -> User | None:
        """The caller, or whom the caller acts as; None for an anonymous one.

        Raises ApiError 401 for credentials that do not hold and 403 for an impersonation that is
        not granted.
        """
        now = self._clock()
        certificate = _client_certificate(scope)
        user = self._from_certificate(certificate, now) if certificate else None
        if user is None and (authorization := headers.get(b"authorization")):
            user = await self._from_header(authorization, now)
        if user is not None and (name := headers.get(b"impersonate-user")):
            groups = [g for g in headers.all(b"impersonate-group").split(",") if g]
            other = User(name, frozenset(groups), headers.get(b"impersonate-uid"))
            return await self._impersonated(user, other)
        return user

    async def review(self, token: str, now: datetime) -> tuple[User, TokenClaims]:
        """Who a token stands for. Raises InvalidInput with the reason when for nobody."""
        known, claims = self._check_token(token, now)
        if not self._is_current(claims):
            await self._policies.refresh()
            if not self._is_current(claims):
                raise InvalidInput("token", "belongs to a service account that does not exist")
        return known.user, claims

    def _from_certificate(self, der: bytes, now: datetime) -> User | None:
        known = self._certificates.get(der)
        if known is None:
            known = _read_certificate(der)
            if known is None:
                return None
            _remember(self._certificates, der, known)
        # A connection may outlive the certificate it was opened with.
        if now >= known.until:
            raise unauthorized()
        return known.user

    async def _from_header(self, authorization: str, now: datetime) -> User | None:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        try:
            user, claims = await self.review(token, now)
        except InvalidInput as error:
            raise unauthorized() from error
        if ISSUER not in claims.audiences:
            raise unauthorized()
        return user

    def _check_token(self, token: str, now: datetime) -> tuple[_Known, TokenClaims]:
        # Tokens are looked up by their hash: how long it takes says nothing about known ones.
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._tokens.get(digest)
        if known is not None and known.claims is not None and now < known.until:
            return known, known.claims
        claims = self._key.verify(token, now)
        known = _Known(_account_user(claims), claims.expires_at, claims)
        _remember(self._tokens, digest, known)
        return known, claims

    def _is_current(self, claims: TokenClaims) -> bool:
        return self._policies.policy.account_uid(claims.namespace, claims.name) == claims.uid

    async def _impersonated(self, user: User, other: User) -> User:
        for group, resource, namespace, name in _rights_needed(other):
            await self._require(user, group, resource, namespace, name)
        return _completed(other)

    async def _require(
        self, user: User, group: str, resource: str, namespace: str, name: str
    ) -> None:
        allowed, _ = await self._policies.allowed(
            user, "impersonate", group, resource, "", namespace, name
        )
        if not allowed:
            raise _not_impersonated(user, group, resource, namespace, name)


def _rights_needed(other: User) -> Iterable[tuple[str, str, str, str]]:
    """Group, resource, namespace and name of each thing that has to be granted."""
    account = split_account(other.name)
    if account is not None:
        yield ("", "serviceaccounts", *account)
    else:
        yield "", "users", "", other.name
    for group in sorted(other.groups):
        yield "", "groups", "", group
    if other.uid:
        yield "authentication.k8s.io", "uids", "", other.uid


def _completed(other: User) -> User:
    """With the groups that such a caller always has."""
    groups = set(other.groups)
    account = split_account(other.name)
    if account is not None and not groups:
        groups.update(account_groups(account[0]))
    if other.name != "system:anonymous" and UNAUTHENTICATED not in groups:
        groups.add(AUTHENTICATED)
    return replace(other, groups=frozenset(groups))


def _not_impersonated(user: User, group: str, resource: str, namespace: str, name: str) -> ApiError:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    cause = (
        f'User "{user.name}" cannot impersonate resource "{resource}" in API group "{group}" '
        f"{where}"
    )
    return forbidden(resource, group, name, cause)


def _client_certificate(scope: Scope) -> bytes | None:
    """DER of the certificate that the TLS handshake has verified."""
    tls = (scope.get("extensions") or {}).get("tls") or {}
    certificate: bytes | None = tls.get("client_cert")
    return certificate


def _account_user(claims: TokenClaims) -> User:
    groups = frozenset((*account_groups(claims.namespace), AUTHENTICATED))
    name = account_username(claims.namespace, claims.name)
    return User(name, groups, claims.uid, {CREDENTIAL_ID: (f"JTI={claims.id}",)})


def _read_certificate(der: bytes) -> _Known | None:
    """The user that a certificate names, None when it names nobody."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _attributes(certificate, NameOID.COMMON_NAME)
        groups = _attributes(certificate, NameOID.ORGANIZATION_NAME)
    except ValueError as error:
        raise unauthorized() from error
    if not names or not names[0]:
        return None
    fingerprint = hashlib.sha256(der).hexdigest()
    extra = {CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)}
    user = User(names[0], frozenset((*groups, AUTHENTICATED)), "", extra)
    return _Known(user, certificate.not_valid_after_utc)


def _attributes(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(a.value) for a in certificate.subject.get_attributes_for_oid(oid)]


def _remember(known: dict[bytes, _Known], key: bytes, value: _Known) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.pop(next(iter(known)))
    known[key] = value
