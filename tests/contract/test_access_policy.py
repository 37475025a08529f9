"""Who may do what, on a real Postgres: what is made at the first start, and the cache."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from fakes.access_world import (
    BOB,
    IMAGE,
    NOW,
    RBAC,
    World,
    bearer,
    build_world,
    command,
    issue,
)
from tagstream.api.access.bootstrap import apply_bootstrap
from tagstream.api.access.bootstrap_roles import BOOTSTRAP_OBJECTS, NAMESPACE_OBJECTS
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import build_binding
from tagstream.store.database import Database
from tagstream.store.journal import transaction
from tagstream.store.resources import (
    list_in_namespace,
    load_resource,
    update_resource,
)


@pytest.fixture
async def world(database: Database) -> World:
    return await build_world(database)


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
        for _ in range(1000):
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
    # Of this process alone: others may use the machine meanwhile.
    started = time.process_time()
    for _ in range(rounds):
        await world.authenticator.authenticate({}, headers)
        await world.policies.allowed(BOB, "get", IMAGE, "imagestreams", "", "default", "a")
    each_us = (time.process_time() - started) / rounds * 1e6
    # Both together; the bound leaves room for a slow machine.
    assert each_us < 100
