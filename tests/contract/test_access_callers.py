"""Who a caller is, on a real Postgres: certificates, tokens, acting as others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fakes.access_world import (
    MASTER,
    NOW,
    Headers,
    World,
    bearer,
    build_world,
    certificate,
    context,
    issue,
    tls,
)
from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import SystemObject, build_binding
from tagstream.api.engine.storage import WriteOptions
from tagstream.api.wire.status import ApiError
from tagstream.store.database import Database


@pytest.fixture
async def world(database: Database) -> World:
    return await build_world(database)


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
