"""Generic objects in the REST engine against a real Postgres, through its ASGI application."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from fakes.api_client import DEPLOYMENTS, NS, Client, deployment, opened


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with opened(database_url) as made:
        await made.make_namespace("shop")
        yield made


async def test_a_deployment_gets_the_defaults_that_the_recording_shows(client: Client) -> None:
    reply = await client.post(DEPLOYMENTS, deployment())
    assert reply.status == 201
    made = reply.json
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {}
    spec = made["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["template"] == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "placeholder:1",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    }
    assert (await client.get(f"{DEPLOYMENTS}/web")).json == made


async def test_a_changed_spec_counts_a_generation_and_an_equal_one_writes_nothing(
    client: Client,
) -> None:
    first = (await client.post(DEPLOYMENTS, deployment())).json
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "b:2"}]}}}}
    second = await client.patch(f"{DEPLOYMENTS}/web", image, "strategic-merge-patch")
    assert second.status == 200
    assert second.json["metadata"]["generation"] == 2
    assert second.json["spec"]["template"]["spec"]["containers"][0]["image"] == "b:2"
    assert int(second.json["metadata"]["resourceVersion"]) > int(
        first["metadata"]["resourceVersion"]
    )
    again = await client.patch(f"{DEPLOYMENTS}/web", image, "strategic-merge-patch")
    assert again.json == second.json


async def test_a_stale_version_is_a_conflict_and_no_version_is_unconditional(
    client: Client,
) -> None:
    made = (await client.post(DEPLOYMENTS, deployment())).json
    await client.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}})
    stale = await client.send("PUT", f"{DEPLOYMENTS}/web", made)
    assert stale.status == 409
    assert stale.json["message"] == (
        'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    del made["metadata"]["resourceVersion"]
    assert (await client.send("PUT", f"{DEPLOYMENTS}/web", made)).json["spec"]["replicas"] == 1


async def test_status_changes_only_through_its_subresource(client: Client) -> None:
    await client.post(DEPLOYMENTS, deployment())
    both = {"spec": {"replicas": 5}, "status": {"readyReplicas": 3}}
    plain = (await client.patch(f"{DEPLOYMENTS}/web", both)).json
    assert (plain["spec"]["replicas"], plain["status"]) == (5, {})
    both["spec"]["replicas"] = 7
    status = (await client.patch(f"{DEPLOYMENTS}/web/status", both)).json
    assert (status["spec"]["replicas"], status["status"]) == (5, {"readyReplicas": 3})
    assert status["metadata"]["generation"] == plain["metadata"]["generation"]


async def test_a_workload_is_scaled_through_its_scale(client: Client) -> None:
    await client.post(DEPLOYMENTS, deployment())
    scale = (await client.get(f"{DEPLOYMENTS}/web/scale")).json
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale",
        {"replicas": 1},
        "app=web",
    )
    scale["spec"]["replicas"] = 3
    assert (await client.send("PUT", f"{DEPLOYMENTS}/web/scale", scale)).json["spec"] == {
        "replicas": 3
    }
    stale = await client.send("PUT", f"{DEPLOYMENTS}/web/scale", scale)
    assert stale.status == 409
    patched = await client.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}})
    assert patched.status == 422
    assert (await client.get(f"{DEPLOYMENTS}/web")).json["spec"]["replicas"] == 3


async def test_a_secrets_values_lie_sealed_and_never_in_the_journal(client: Client) -> None:
    path = f"{NS}/shop/secrets"
    made = await client.post(
        path, {"metadata": {"name": "pull"}, "stringData": {"password": "hunter22"}}
    )
    value = base64.b64encode(b"hunter22").decode()
    assert made.json["data"] == {"password": value}
    assert (await client.get(f"{path}/pull")).json["data"] == {"password": value}
    async with client.database.connection() as connection:
        for table in ("changes", "commands", "resources"):
            rows = await connection.fetch(f"SELECT * FROM {table}")
            text = repr([tuple(row.values()) for row in rows])
            assert value not in text
            assert "hunter22" not in text
    bad = await client.post(
        path, {"metadata": {"name": "d"}, "type": "kubernetes.io/dockerconfigjson"}
    )
    assert bad.json["details"]["causes"][0]["field"] == "data[.dockerconfigjson]"


async def test_what_kubectl_apply_notes_of_a_secret_is_sealed_too(client: Client) -> None:
    path, note = f"{NS}/shop/secrets", "kubectl.kubernetes.io/last-applied-configuration"
    applied = '{"kind":"Secret","stringData":{"password":"hunter23"}}'
    metadata = {"name": "applied", "annotations": {note: applied, "team": "shop"}}
    await client.post(path, {"metadata": metadata, "stringData": {"password": "hunter23"}})
    found = (await client.get(f"{path}/applied")).json
    assert found["metadata"]["annotations"] == {note: applied, "team": "shop"}
    assert list(found["data"]) == ["password"]
    await client.patch(f"{path}/applied", {"metadata": {"annotations": {note: None}}})
    found = (await client.get(f"{path}/applied")).json
    assert found["metadata"]["annotations"] == {"team": "shop"}
    async with client.database.connection() as connection:
        for table in ("changes", "commands", "resources"):
            rows = await connection.fetch(f"SELECT * FROM {table}")
            assert "hunter23" not in repr([tuple(row.values()) for row in rows])


async def test_events_are_one_store_with_two_faces(client: Client) -> None:
    about = {"kind": "Pod", "name": "p", "namespace": "shop"}
    made = await client.post(
        f"{NS}/shop/events",
        {"metadata": {"name": "e"}, "involvedObject": about, "message": "hello", "reason": "Why"},
    )
    assert made.status == 201
    path = "/apis/events.k8s.io/v1/namespaces/shop/events"
    other = (await client.get(f"{path}?fieldSelector=regarding.name%3Dp")).json["items"]
    assert [item["note"] for item in other] == ["hello"]


async def test_a_pause_emits_its_facts_in_the_same_transaction(client: Client) -> None:
    path = "/apis/tagstream.dev/v1alpha1/triggerpauses"
    body = {"metadata": {"name": "namespace.shop"}, "spec": {"reason": "bad push"}}
    assert (await client.post(path, body)).status == 201
    assert (await client.post(path, {"metadata": {"name": "shop"}})).status == 422
    await client.send("DELETE", f"{path}/namespace.shop")
    async with client.database.connection() as connection:
        rows = await connection.fetch("SELECT type, data FROM facts ORDER BY position")
    assert [row["type"] for row in rows] == [
        "dev.tagstream.triggers.paused.v1",
        "dev.tagstream.triggers.resumed.v1",
    ]
    assert rows[0]["data"]["namespace"] == "shop"


async def test_racing_unconditional_patches_all_land(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    await client.post(path, {"metadata": {"name": "x"}})
    replies = await asyncio.gather(
        *(client.patch(f"{path}/x", {"data": {f"k{n}": "v"}}) for n in range(16))
    )
    assert {reply.status for reply in replies} == {200}
    assert len((await client.get(f"{path}/x")).json["data"]) == 16
    assert len({reply.json["metadata"]["resourceVersion"] for reply in replies}) == 16


async def test_an_apply_creates_what_is_missing_and_merges_into_what_is_there(
    database_url: str,
) -> None:
    async with opened(database_url, applies=True) as client:
        await client.make_namespace("shop")
        path = f"{NS}/shop/configmaps/x?fieldManager=me&force=false"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
        kind = "application/apply-patch+yaml"
        for data, status in (({"a": "1"}, 201), ({"b": "2"}, 200)):
            reply = await client.send("PATCH", path, {**body, "data": data}, content_type=kind)
            assert reply.status == status
        assert reply.json["data"] == {"a": "1", "b": "2"}
        nobody = await client.send("PATCH", f"{NS}/shop/configmaps/x", body, content_type=kind)
        assert nobody.status == 422
