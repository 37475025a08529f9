"""Who may do what, on a real Postgres: bootstrap, cache, callers, reviews and projects."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fakes.postgres import PostgresServer
from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.bootstrap import apply_bootstrap
from tagstream.api.access.bootstrap_roles import BOOTSTRAP_OBJECTS, NAMESPACE_OBJECTS
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import SystemObject, build_binding, insert_object
from tagstream.api.access.tokens import TokenKey
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.routing import Registry
from tagstream.api.engine.storage import ListQuery, Storage, WriteOptions
from tagstream.api.kinds.configuration import SERVICE_ACCOUNTS
from tagstream.api.kinds.namespaces import NAMESPACES
from tagstream.api.reviews.projects import StatusPage
from tagstream.api.reviews.registration import (
    ReviewDeps,
    register_accounts,
    register_projects,
    register_reviews,
)
from tagstream.api.wire.status import ApiError
from tagstream.store.database import Database
from tagstream.store.journal import Command, transaction
from tagstream.store.migrate import migrate
from tagstream.store.resources import (
    delete_resource,
    list_in_namespace,
    list_resources,
    load_resource,
    update_resource,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RBAC = "rbac.authorization.k8s.io"
IMAGE = "image.openshift.io"
MASTER = User("admin", frozenset({"system:masters", "system:authenticated"}))
BOB = User("bob", frozenset({"system:authenticated"}))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer.start(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    url = await postgres.create_database()
    await migrate(url)
    database = await Database.connect(url, name="test")
    yield database
    await database.close()
    await postgres.drop_database(url)


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


@pytest.fixture
async def world(database: Database) -> World:
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


# --- bootstrap --------------------------------------------------------------------------------


async def test_replicas_that_start_at_once_make_everything_once(database: Database) -> None:
    written = await asyncio.gather(*(apply_bootstrap(database, NOW) for _ in range(3)))
    assert sum(written) == len(NAMESPACE_OBJECTS) + len(BOOTSTRAP_OBJECTS)
    assert await apply_bootstrap(database, NOW) == 0
    async with database.connection() as connection:
        names = [row.name for row in await list_in_namespace(connection, "default", 100)]
    assert sorted(names) == [
        "builder",
        "default",
        "deployer",
        "system:deployers",
        "system:image-builders",
        "system:image-pullers",
    ]


async def test_a_role_gets_new_rights_and_keeps_what_was_added(database: Database) -> None:
    await apply_bootstrap(database, NOW)
    mine = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}
    async with transaction(database, command()) as tx:
        row = await load_resource(tx.connection, RBAC, "clusterroles", "", "view", lock=True)
        assert row is not None
        await update_resource(tx, replace(row, body={**row.body, "rules": [mine]}))
    assert await apply_bootstrap(database, NOW) == 1
    async with database.connection() as connection:
        row = await load_resource(connection, RBAC, "clusterroles", "", "view")
    assert row is not None
    rules: Any = row.body["rules"]
    assert mine in rules
    assert len(rules) > 5
    assert await apply_bootstrap(database, NOW) == 0


async def test_an_edited_binding_is_left_alone(database: Database) -> None:
    await apply_bootstrap(database, NOW)
    async with transaction(database, command()) as tx:
        key = (RBAC, "clusterrolebindings", "", "basic-users")
        row = await load_resource(tx.connection, *key, lock=True)
        assert row is not None
        await update_resource(tx, replace(row, body={**row.body, "subjects": []}))
    assert await apply_bootstrap(database, NOW) == 0


# --- the cache --------------------------------------------------------------------------------


async def test_a_refusal_looks_once_more_before_it_stands(world: World) -> None:
    asked = (BOB, "list", IMAGE, "imagestreams", "", "default", "")
    assert not (await world.policies.allowed(*asked))[0]
    await world.insert(build_binding("default", "x", "view", Subject("User", "bob")))
    assert not world.policies.policy.allowed(*asked)[0]
    assert (await world.policies.allowed(*asked))[0]


async def test_a_writer_waits_until_its_change_counts(world: World) -> None:
    asked = (BOB, "list", IMAGE, "imagestreams", "", "default", "")
    binding = build_binding("default", "x", "view", Subject("User", "bob"))
    policy = await world.policies.refreshed(await world.insert(binding))
    assert policy.allowed(*asked)[0]
    await world.delete(*binding.key)
    await world.policies.refresh()
    assert not world.policies.policy.allowed(*asked)[0]


async def test_a_following_cache_sees_changes_of_others_soon(world: World) -> None:
    stop = asyncio.Event()
    following = asyncio.create_task(world.policies.follow(stop))
    try:
        await asyncio.sleep(0.1)
        await world.insert(build_binding("default", "x", "view", Subject("User", "bob")))
        asked = (BOB, "list", IMAGE, "imagestreams", "", "default", "")
        for _ in range(200):
            if world.policies.policy.allowed(*asked)[0]:
                break
            await asyncio.sleep(0.01)
        assert world.policies.policy.allowed(*asked)[0]
    finally:
        stop.set()
        await following


async def test_a_cache_that_lost_part_of_the_journal_reads_everything_anew(world: World) -> None:
    await world.insert(build_binding("default", "x", "view", Subject("User", "bob")))
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM changes")
    await world.policies.refresh()
    asked = (BOB, "list", IMAGE, "imagestreams", "", "default", "")
    assert world.policies.policy.allowed(*asked)[0]


async def test_concurrent_refusals_share_look_ups(world: World) -> None:
    asked = (BOB, "list", IMAGE, "imagestreams", "", "default", "")
    answers = await asyncio.gather(*(world.policies.allowed(*asked) for _ in range(50)))
    assert answers == [(False, "")] * 50


async def test_the_hot_path_is_fast(world: World) -> None:
    await world.insert(build_binding("default", "x", "edit", Subject("User", "bob")))
    await world.policies.refresh()
    token = (await issue(world))["status"]["token"]
    headers = bearer(token)
    await world.authenticator.authenticate({}, headers)
    rounds = 2000
    started = time.perf_counter()
    for _ in range(rounds):
        await world.authenticator.authenticate({}, headers)
        await world.policies.allowed(BOB, "get", IMAGE, "imagestreams", "", "default", "a")
    each_us = (time.perf_counter() - started) / rounds * 1e6
    # Both together; the bound leaves room for a busy machine.
    assert each_us < 100


# --- callers ----------------------------------------------------------------------------------


async def test_a_certificate_names_user_and_groups(world: World) -> None:
    der = certificate("ann", "ops", "dev")
    user = await world.authenticator.authenticate(tls(der), Headers())
    assert user is not None
    assert user.name == "ann"
    assert user.groups == {"ops", "dev", "system:authenticated"}
    (identity,) = user.extra["authentication.kubernetes.io/credential-id"]
    assert identity.startswith("X509SHA256=")


async def test_a_connection_does_not_outlive_its_certificate(world: World) -> None:
    der = certificate("ann")
    await world.authenticator.authenticate(tls(der), Headers())
    world.clock[0] = NOW + timedelta(days=2)
    with pytest.raises(ApiError) as caught:
        await world.authenticator.authenticate(tls(der), Headers())
    assert caught.value.code == 401


async def test_nobody_is_nobody(world: World) -> None:
    assert await world.authenticator.authenticate({}, Headers()) is None
    basic = Headers(("authorization", "Basic eDp5"))
    assert await world.authenticator.authenticate({"extensions": {}}, basic) is None
    forged = Headers(("impersonate-user", "system:admin"), ("impersonate-group", "system:masters"))
    assert await world.authenticator.authenticate({}, forged) is None


async def test_a_token_is_its_account_until_the_account_goes(world: World) -> None:
    token = (await issue(world))["status"]["token"]
    user = await world.authenticator.authenticate({}, bearer(token))
    assert user is not None
    assert user.name == "system:serviceaccount:default:builder"
    assert user.groups == {
        "system:authenticated",
        "system:serviceaccounts",
        "system:serviceaccounts:default",
    }
    await world.delete("", "serviceaccounts", "default", "builder")
    await world.policies.refresh()
    with pytest.raises(ApiError) as caught:
        await world.authenticator.authenticate({}, bearer(token))
    assert caught.value.code == 401


async def test_a_token_of_an_account_made_a_moment_ago_counts(world: World) -> None:
    other = PolicyCache(world.database)
    await other.load()
    authenticator = Authenticator(world.key, other, lambda: NOW)
    await world.insert(
        SystemObject("", "serviceaccounts", "ServiceAccount", "default", "fresh"),
    )
    storage = world.storage("", "serviceaccounts")
    made = await storage.create_subresource(
        context(MASTER), "default", "fresh", "token", {"metadata": {}}, WriteOptions()
    )
    assert await authenticator.authenticate({}, bearer(made["status"]["token"])) is not None


@pytest.mark.parametrize("token", ["x", "a.b.c", "é"])
async def test_a_wrong_token_is_401(world: World, token: str) -> None:
    with pytest.raises(ApiError) as caught:
        await world.authenticator.authenticate({}, bearer(token))
    assert caught.value.code == 401


async def test_only_who_is_granted_it_may_act_as_others(world: World) -> None:
    as_bob = Headers(("impersonate-user", "bob"), ("impersonate-group", "dev"))
    admin = certificate("root", "system:masters")
    user = await world.authenticator.authenticate(tls(admin), as_bob)
    assert user is not None
    assert user.name == "bob"
    assert user.groups == {"dev", "system:authenticated"}
    with pytest.raises(ApiError) as caught:
        await world.authenticator.authenticate(tls(certificate("eve")), as_bob)
    assert caught.value.code == 403
    assert str(caught.value) == (
        'users "bob" is forbidden: User "eve" cannot impersonate resource "users" '
        'in API group "" at the cluster scope'
    )


async def test_an_editor_may_act_as_accounts_of_the_namespace(world: World) -> None:
    await world.insert(build_binding("default", "x", "edit", Subject("User", "bob")))
    headers = Headers(("impersonate-user", "system:serviceaccount:default:builder"))
    user = await world.authenticator.authenticate(tls(certificate("bob")), headers)
    assert user is not None
    assert "system:serviceaccounts:default" in user.groups


# --- reviews ----------------------------------------------------------------------------------


async def test_can_i_answers_as_recorded(world: World) -> None:
    spec = {
        "resourceAttributes": {
            "namespace": "golden3",
            "verb": "create",
            "group": IMAGE,
            "resource": "imagestreams",
        }
    }
    answer = await world.ask("SelfSubjectAccessReview", spec, MASTER)
    assert answer["spec"] == spec
    assert answer["status"] == {"allowed": True}
    assert (await world.ask("SelfSubjectAccessReview", spec, BOB))["status"] == {"allowed": False}


async def test_a_review_of_somebody_else_tells_why(world: World) -> None:
    await world.insert(build_binding("default", "x", "view", Subject("Group", "dev")))
    spec = {
        "user": "carl",
        "groups": ["dev"],
        "resourceAttributes": {
            "namespace": "default",
            "verb": "get",
            "group": IMAGE,
            "resource": "imagestreams",
            "subresource": "layers",
            "name": "app",
        },
    }
    reason = 'RBAC: allowed by RoleBinding "x/default" of ClusterRole "view" to Group "dev"'
    expected = {"allowed": True, "reason": reason}
    assert (await world.ask("SubjectAccessReview", spec, MASTER))["status"] == expected
    local = await world.ask("LocalSubjectAccessReview", spec, MASTER, namespace="default")
    assert local["status"] == expected
    with pytest.raises(ApiError) as caught:
        await world.ask("LocalSubjectAccessReview", spec, MASTER, namespace="other")
    assert caught.value.code == 422


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"user": "x"},
        {"resourceAttributes": {"verb": "get"}},
        {"user": "x", "resourceAttributes": {}, "nonResourceAttributes": {}},
    ],
)
async def test_an_incomplete_review_is_refused(world: World, spec: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        await world.ask("SubjectAccessReview", spec, MASTER)
    assert caught.value.code == 422


async def test_my_rules_are_listed(world: World) -> None:
    answer = await world.ask("SelfSubjectRulesReview", {"namespace": "default"}, BOB)
    status = answer["status"]
    assert not status["incomplete"]
    assert {
        "verbs": ["get"],
        "apiGroups": ["", "user.openshift.io"],
        "resources": ["users"],
        "resourceNames": ["~"],
    } in status["resourceRules"]
    assert any("/healthz" in rule["nonResourceURLs"] for rule in status["nonResourceRules"])


async def test_whoami_answers_as_recorded(world: World) -> None:
    answer = await world.ask("SelfSubjectReview", {}, MASTER)
    assert answer["metadata"]["creationTimestamp"] == "2026-11-23T12:00:00Z"
    assert answer["status"]["userInfo"] == {
        "username": "admin",
        "groups": ["system:masters", "system:authenticated"],
    }
    users = world.storage("user.openshift.io", "users")
    assert await users.get(context(MASTER), "", "~") == {
        "kind": "User",
        "apiVersion": "user.openshift.io/v1",
        "metadata": {"name": "admin"},
        "identities": None,
        "groups": ["system:authenticated", "system:masters"],
    }


async def test_a_token_review_knows_our_tokens_only(world: World) -> None:
    token = (await issue(world))["status"]["token"]
    answer = await world.ask("TokenReview", {"token": token}, MASTER)
    assert answer["status"]["authenticated"]
    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:builder"
    answer = await world.ask("TokenReview", {"token": "nonsense"}, MASTER)
    assert "authenticated" not in answer["status"]
    assert answer["status"]["error"]


async def test_a_token_for_another_audience_is_none_of_ours(world: World) -> None:
    token = (await issue(world, audiences=["registry"]))["status"]["token"]
    with pytest.raises(ApiError):
        await world.authenticator.authenticate({}, bearer(token))
    asked = {"token": token, "audiences": ["registry", "x"]}
    answer = await world.ask("TokenReview", asked, MASTER)
    assert answer["status"]["audiences"] == ["registry"]


async def test_a_token_lives_as_long_as_was_asked(world: World) -> None:
    made = await issue(world, expirationSeconds=7200)
    assert made["status"]["expirationTimestamp"] == "2026-11-23T14:00:00Z"
    for wrong in (10, "x", 1 << 40):
        with pytest.raises(ApiError) as caught:
            await issue(world, expirationSeconds=wrong)
        assert caught.value.code == 422


# --- projects ---------------------------------------------------------------------------------


async def request(world: World, name: str, user: User = BOB, **fields: str) -> Any:
    body = {"kind": "ProjectRequest", "metadata": {"name": name}, **fields}
    storage = world.storage("project.openshift.io", "projectrequests")
    return await storage.create(context(user), "", body, WriteOptions())


async def test_a_requested_project_is_as_recorded_and_its_requesters_own(world: World) -> None:
    project = await request(world, "team", description="ours")
    metadata = project["metadata"]
    assert (project["kind"], project["apiVersion"]) == ("Project", "project.openshift.io/v1")
    assert metadata["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert metadata["annotations"] == {
        "openshift.io/description": "ours",
        "openshift.io/display-name": "",
        "openshift.io/requester": "bob",
    }
    assert project["spec"] == {"finalizers": ["openshift.io/origin", "kubernetes"]}
    assert project["status"] == {"phase": "Active"}
    assert int(metadata["resourceVersion"]) > 0
    policy = world.policies.policy
    assert policy.allowed(BOB, "create", RBAC, "rolebindings", "", "team")[0]
    async with world.database.connection() as connection:
        assert len(await list_in_namespace(connection, "team", 100)) == 7


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("default", 409, "AlreadyExists"),
        ("a", 422, "Invalid"),
        ("No_Name", 422, "Invalid"),
        ("", 422, "Invalid"),
        ("openshift-x", 403, "Forbidden"),
    ],
)
async def test_a_bad_project_name_is_refused(
    world: World, name: str, code: int, reason: str
) -> None:
    with pytest.raises(ApiError) as caught:
        await request(world, name)
    assert (caught.value.code, caught.value.reason) == (code, reason)


async def test_asking_whether_one_may_request_projects(world: World) -> None:
    storage = world.storage("project.openshift.io", "projectrequests")
    page = await storage.list(context(MASTER), "", ListQuery())
    assert isinstance(page, StatusPage)
    assert page.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
    }
    with pytest.raises(ApiError) as caught:
        await storage.list(context(BOB), "", ListQuery())
    assert caught.value.code == 403


async def test_one_sees_the_projects_that_one_may_get(world: World) -> None:
    await request(world, "mine")
    await request(world, "theirs", User("ann", frozenset({"system:authenticated"})))
    storage = world.storage("project.openshift.io", "projects")
    page = await storage.list(context(BOB), "", ListQuery())
    assert [item["metadata"]["name"] for item in page.items] == ["mine"]
    assert page.items[0]["kind"] == "Project"
    everything = await storage.list(context(MASTER), "", ListQuery())
    async with world.database.connection() as connection:
        assert len(everything.items) == len(await list_resources(connection, "", "namespaces"))
    asked = (BOB, "delete", "project.openshift.io", "projects", "", "")
    assert (await world.policies.allowed(*asked, "mine"))[0]
    assert not (await world.policies.allowed(*asked, "theirs"))[0]
