"""How the generic REST engine deletes: finalizers, preconditions, collections, namespaces."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakes.api_client import NS, Client, opened


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with opened(database_url) as made:
        await made.make_namespace("shop")
        yield made


async def test_a_namespace_stays_terminating_until_it_is_finalized(client: Client) -> None:
    deleted = (await client.send("DELETE", f"{NS}/shop")).json
    assert deleted["status"]["phase"] == "Terminating"
    assert deleted["metadata"]["deletionTimestamp"]
    refused = await client.post(f"{NS}/shop/configmaps", {"metadata": {"name": "x"}})
    assert refused.status == 403
    assert "because it is being terminated" in refused.json["message"]
    deleted["spec"]["finalizers"] = []
    assert (await client.send("PUT", f"{NS}/shop/finalize", deleted)).status == 200
    assert (await client.get(f"{NS}/shop")).status == 404
    kept = await client.send("DELETE", f"{NS}/default")
    assert kept.status == 404


async def test_finalizers_hold_a_deleted_object_until_they_are_gone(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "x", "finalizers": ["example.com/hold"]}})
    held = await client.send("DELETE", f"{path}/x")
    assert held.json["metadata"]["deletionTimestamp"]
    more = await client.patch(f"{path}/x", {"metadata": {"finalizers": ["example.com/b"]}})
    assert more.status == 422
    freed = await client.patch(f"{path}/x", {"metadata": {"finalizers": None}})
    assert freed.status == 200
    assert (await client.get(f"{path}/x")).status == 404


async def test_deletion_checks_its_preconditions_and_answers_a_status(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    made = (await client.post(path, {"metadata": {"name": "x"}})).json
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
    assert (await client.send("DELETE", f"{path}/x", options)).status == 409
    done = (await client.send("DELETE", f"{path}/x")).json
    assert done["status"] == "Success"
    assert done["details"] == {
        "name": "x",
        "kind": "configmaps",
        "uid": made["metadata"]["uid"],
    }


async def test_a_collection_is_deleted_by_selector(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    for name in ("a", "b", "c"):
        labels = {"go": "yes" if name != "c" else "no"}
        await client.post(path, {"metadata": {"name": name, "labels": labels}})
    gone = (await client.send("DELETE", f"{path}?labelSelector=go%3Dyes")).json
    assert gone["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    left = (await client.get(path)).json["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]
