"""Projects, on a real Postgres: asking for one and seeing one's own."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.access_world import (
    BOB,
    MASTER,
    RBAC,
    World,
    build_world,
    context,
)
from tagstream.api.engine.context import User
from tagstream.api.engine.storage import ListQuery, WriteOptions
from tagstream.api.reviews.projects import StatusPage
from tagstream.api.wire.status import ApiError
from tagstream.store.database import Database
from tagstream.store.resources import (
    list_in_namespace,
    list_resources,
)


@pytest.fixture
async def world(database: Database) -> World:
    return await build_world(database)


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
