"""An installed api without its HTTP edge, on a real Postgres: policies, callers, reviews."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.bootstrap import apply_bootstrap
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.system_objects import SystemObject, insert_object
from tagstream.api.access.tokens import TokenKey
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.routing import Registry
from tagstream.api.engine.storage import Storage, WriteOptions
from tagstream.api.kinds.configuration import SERVICE_ACCOUNTS
from tagstream.api.kinds.namespaces import NAMESPACES
from tagstream.api.reviews.registration import (
    ReviewDeps,
    register_accounts,
    register_projects,
    register_reviews,
)
from tagstream.store.database import Database
from tagstream.store.journal import Command, transaction
from tagstream.store.resources import (
    delete_resource,
    load_resource,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RBAC = "rbac.authorization.k8s.io"
IMAGE = "image.openshift.io"
MASTER = User("admin", frozenset({"system:masters", "system:authenticated"}))
BOB = User("bob", frozenset({"system:authenticated"}))


class Headers:
    """As the HTTP edge hands them over."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = [(name.encode(), value) for name, value in pairs]

    def get(self, name: bytes) -> str:
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: bytes) -> str:
        return ",".join(value for key, value in self._pairs if key == name)


@dataclass
class World:
    """An installed api without its HTTP edge."""

    database: Database
    policies: PolicyCache
    authenticator: Authenticator
    registry: Registry
    key: TokenKey
    clock: list[datetime] = field(default_factory=lambda: [NOW])

    def storage(self, group: str, resource: str) -> Storage:
        entry = self.registry.get(group, "v1", resource)
        assert entry is not None
        return entry.storage

    async def insert(self, *objects: SystemObject) -> int:
        async with transaction(self.database, command()) as tx:
            for one in objects:
                await insert_object(tx, one)
        return tx.position

    async def delete(self, *key: str) -> None:
        async with transaction(self.database, command()) as tx:
            row = await load_resource(tx.connection, *key, lock=True)
            assert row is not None
            await delete_resource(tx, row)

    async def ask(self, kind: str, spec: Mapping[str, Any], user: User, **place: str) -> Any:
        group = f"{'authentication' if kind in IDENTITY else 'authorization'}.k8s.io"
        wanted = {"kind": kind, "apiVersion": f"{group}/v1", "metadata": {}, "spec": dict(spec)}
        storage = self.storage(group, f"{kind.lower()}s")
        return await storage.create(
            context(user), place.get("namespace", ""), wanted, WriteOptions()
        )


IDENTITY = {"SelfSubjectReview", "TokenReview"}


def command() -> Command:
    return Command(str(uuid.uuid4()), "test", NOW, "test")


def context(user: User) -> RequestContext:
    return RequestContext(user, NOW, str(uuid.uuid4()))


def make_key() -> TokenKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return TokenKey.from_pem(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def certificate(name: str, *groups: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


async def build_world(database: Database) -> World:
    """The objects and kinds that a started api has."""
    await apply_bootstrap(database, NOW)
    policies, key, clock = PolicyCache(database), make_key(), [NOW]
    await policies.load()
    authenticator = Authenticator(key, policies, lambda: clock[0])
    registry, deps = Registry(), ReviewDeps(database, policies, authenticator, key)
    register_reviews(registry, deps)
    register_projects(registry, deps, NAMESPACES.rules)
    register_accounts(registry, deps, SERVICE_ACCOUNTS.kind, SERVICE_ACCOUNTS.rules)
    return World(database, policies, authenticator, registry, key, clock)


async def issue(world: World, **spec: Any) -> Any:
    body = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "spec": spec,
    }
    return await world.storage("", "serviceaccounts").create_subresource(
        context(MASTER), "default", "builder", "token", body, WriteOptions()
    )


def bearer(token: str, *more: tuple[str, str]) -> Headers:
    return Headers(("authorization", f"Bearer {token}"), *more)


def tls(der: bytes) -> dict[str, Any]:
    return {"extensions": {"tls": {"client_cert": der}}}
