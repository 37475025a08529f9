"""Watches through the generic REST engine, against a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.api_client import NS, TABLE, Client, Reply, opened


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with opened(database_url) as made:
        await made.make_namespace("shop")
        yield made


# As long as a busy machine may need for a few writes.
_WHILE_WRITING_S = 3


async def watch(client: Client, path: str, seconds: int = 1, **more: Any) -> Reply:
    separator = "&" if "?" in path else "?"
    return await client.get(f"{path}{separator}watch=true&timeoutSeconds={seconds}", **more)


async def test_a_watch_shows_every_later_change_once_and_a_bookmark_at_its_end(
    client: Client,
) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "old"}})
    version = (await client.get(path)).json["metadata"]["resourceVersion"]
    watching = asyncio.create_task(
        watch(
            client,
            f"{path}?resourceVersion={version}&allowWatchBookmarks=true",
            _WHILE_WRITING_S,
        )
    )
    await asyncio.sleep(0.1)
    await client.post(path, {"metadata": {"name": "new"}})
    await client.patch(f"{path}/new", {"data": {"a": "b"}})
    await client.send("DELETE", f"{path}/new")
    events = (await watching).events
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    assert events[-1]["object"]["kind"] == "ConfigMap"
    assert int(events[-1]["object"]["metadata"]["resourceVersion"]) >= int(
        events[2]["object"]["metadata"]["resourceVersion"]
    )


async def test_a_watch_without_a_version_begins_with_what_there_is(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "a"}})
    events = (await watch(client, path, accept=TABLE)).events
    assert [event["type"] for event in events] == ["ADDED"]
    assert events[0]["object"]["kind"] == "Table"
    assert events[0]["object"]["columnDefinitions"]


async def test_objects_that_begin_or_cease_to_match_come_and_go(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "a", "labels": {"on": "no"}}})
    await client.post(path, {"metadata": {"name": "b", "labels": {"on": "yes"}}})
    version = (await client.get(path)).json["metadata"]["resourceVersion"]
    watching = asyncio.create_task(
        watch(client, f"{path}?labelSelector=on%3Dyes&resourceVersion={version}", _WHILE_WRITING_S)
    )
    await asyncio.sleep(0.2)
    for name, labels in (("a", "yes"), ("b", "no"), ("b", "never"), ("a", "yes")):
        await client.patch(f"{path}/{name}", {"metadata": {"labels": {"on": labels}}})
    await client.patch(f"{path}/a", {"data": {"k": "v"}})
    shown = [(e["type"], e["object"]["metadata"]["name"]) for e in (await watching).events]
    assert shown == [("ADDED", "a"), ("DELETED", "b"), ("MODIFIED", "a")]


async def test_a_watch_of_secrets_shows_their_values(client: Client) -> None:
    path = f"{NS}/shop/secrets"
    version = (await client.get(path)).json["metadata"]["resourceVersion"]
    watching = asyncio.create_task(
        watch(client, f"{path}?resourceVersion={version}", _WHILE_WRITING_S)
    )
    await asyncio.sleep(0.1)
    await client.post(path, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    (event,) = (await watching).events
    assert event["object"]["data"] == {"a": "Yg=="}
    assert "sealed" not in event["object"]


async def test_what_is_wrong_with_a_watch_is_told(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "a"}})
    async with client.database.connection() as connection:
        await connection.execute("DELETE FROM changes WHERE position < 3")
    old = await watch(client, f"{path}?resourceVersion=1")
    (error,) = old.events
    assert (old.status, error["type"]) == (200, "ERROR")
    assert error["object"]["reason"] == "Expired"
    assert error["object"]["message"].startswith("too old resource version: 1 (")
    initial = await client.get(f"{path}?watch=true&sendInitialEvents=true")
    assert initial.status == 422
    assert (await watch(client, f"{path}?resourceVersion=x")).status == 400
