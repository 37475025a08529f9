"""Asking the api who may do what: reviews of access and of tokens."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.access_world import (
    BOB,
    IMAGE,
    MASTER,
    World,
    bearer,
    build_world,
    context,
    issue,
)
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import build_binding
from tagstream.api.wire.status import ApiError
from tagstream.store.database import Database


@pytest.fixture
async def world(database: Database) -> World:
    return await build_world(database)


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
