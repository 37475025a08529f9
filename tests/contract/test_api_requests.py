"""What every request gets from the generic REST engine: refusals, formats, pages, warnings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakes.api_client import DEPLOYMENTS, NS, PROTOBUF, TABLE, Client, deployment, opened


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with opened(database_url) as made:
        await made.make_namespace("shop")
        yield made


async def test_every_refusal_is_a_status_with_the_text_of_kubernetes(client: Client) -> None:
    missing = await client.post(f"{NS}/nowhere/configmaps", {"metadata": {"name": "x"}})
    assert (missing.status, missing.json["message"]) == (404, 'namespaces "nowhere" not found')
    mismatch = await client.post(
        f"{NS}/shop/configmaps", {"metadata": {"name": "x", "namespace": "other"}}
    )
    assert mismatch.status == 400
    unknown = await client.get(f"{NS}/shop/nothings")
    assert unknown.json["message"] == "the server could not find the requested resource"
    wrong = deployment()
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    wrong["spec"]["template"]["spec"]["containers"][0]["name"] = ""
    refused = (await client.post(DEPLOYMENTS, wrong)).json
    assert refused["code"] == 422
    assert refused["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: {"app":"other"}: `selector` does not match template '
            "`labels`",
            "field": "spec.template.metadata.labels",
        },
        {
            "reason": "FieldValueRequired",
            "message": "Required value",
            "field": "spec.template.spec.containers[0].name",
        },
    ]
    bad_type = deployment() | {"spec": {"replicas": "two"}}
    assert (await client.post(DEPLOYMENTS, bad_type)).status == 400
    patch = await client.send(
        "PATCH", f"{DEPLOYMENTS}/web", {"a": 1}, content_type="application/apply-patch+yaml"
    )
    assert patch.status == 415
    nul = await client.post(
        f"{NS}/shop/configmaps", {"metadata": {"name": "x"}, "data": {"a": "\0"}}
    )
    assert nul.status == 400
    large = await client.post(f"{NS}/shop/configmaps", b" " * (3 * 1024 * 1024 + 1))
    assert (large.status, large.json["reason"]) == (413, "RequestEntityTooLarge")


async def test_an_unknown_caller_gets_401_and_an_unbound_one_403(client: Client) -> None:
    nobody = await client.get("/api/v1/pods", user="")
    assert (nobody.status, nobody.json["message"]) == (401, "Unauthorized")
    assert (await client.get("/healthz", user="")).body == b"ok"
    refused = await client.get(f"{NS}/closed/pods/x")
    assert refused.status == 403
    assert refused.json["message"] == (
        'pods "x" is forbidden: User "ann" cannot get resource "pods" in API group "" '
        'in the namespace "closed"'
    )


async def test_unknown_fields_warn_or_are_refused_and_are_never_kept(client: Client) -> None:
    body = {"metadata": {"name": "x"}, "dtaa": {"a": "b"}}
    strict = await client.post(f"{NS}/shop/configmaps?fieldValidation=Strict", body)
    assert strict.status == 400
    assert 'strict decoding error: unknown field "dtaa"' in strict.json["message"]
    warned = await client.post(f"{NS}/shop/configmaps?fieldValidation=Warn", body)
    assert warned.header(b"warning") == [b'299 - "unknown field \\"dtaa\\""']
    assert "dtaa" not in warned.json


async def test_a_generated_name_has_five_letters_and_a_dry_run_keeps_nothing(
    client: Client,
) -> None:
    path = f"{NS}/shop/configmaps"
    made = (await client.post(path, {"metadata": {"generateName": "gen-"}})).json
    assert len(made["metadata"]["name"]) == len("gen-") + 5
    dry = await client.post(f"{path}?dryRun=All", {"metadata": {"name": "dry"}})
    assert dry.status == 201
    assert "resourceVersion" not in dry.json["metadata"]
    assert (await client.get(f"{path}/dry")).status == 404
    assert (await client.post(f"{path}?dryRun=some", {"metadata": {"name": "x"}})).status == 422


async def test_a_list_pages_filters_and_keeps_the_first_pages_version(client: Client) -> None:
    path = f"{NS}/shop/configmaps"
    for number in range(5):
        labels = {"even": str(number % 2 == 0).lower(), "n": str(number)}
        await client.post(path, {"metadata": {"name": f"c{number}", "labels": labels}})
    first = (await client.get(f"{path}?limit=2")).json
    assert [item["metadata"]["name"] for item in first["items"]] == ["c0", "c1"]
    assert "kind" not in first["items"][0]
    await client.post(path, {"metadata": {"name": "later"}})
    token = first["metadata"]["continue"]
    second = (await client.get(f"{path}?limit=3&continue={token}")).json
    assert [item["metadata"]["name"] for item in second["items"]] == ["c2", "c3", "c4"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    even = (await client.get(f"{path}?labelSelector=even%3Dtrue,n%20notin%20(4)&limit=1")).json
    assert [item["metadata"]["name"] for item in even["items"]] == ["c0"]
    one = (await client.get(f"{path}?fieldSelector=metadata.name%3Dc3")).json
    assert [item["metadata"]["name"] for item in one["items"]] == ["c3"]
    assert (await client.get(f"{path}?fieldSelector=spec.x%3Dc3")).status == 400
    assert (await client.get(f"{path}?continue=nonsense")).status == 400


async def test_tables_have_kubectls_columns(client: Client) -> None:
    await client.post(DEPLOYMENTS, deployment())
    table = (await client.get(DEPLOYMENTS, accept=TABLE)).json
    assert table["kind"] == "Table"
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names[:5] == ["Name", "Ready", "Up-to-date", "Available", "Age"]
    (row,) = table["rows"]
    assert row["cells"][0:4] == ["web", "0/1", 0, 0]
    assert row["cells"][5:] == ["web", "placeholder:1", "app=web"]
    assert row["object"]["kind"] == "PartialObjectMetadata"


async def test_namespaces_travel_as_protobuf(client: Client) -> None:
    shown = await client.get(f"{NS}/shop", accept=PROTOBUF)
    assert shown.header(b"content-type") == [b"application/vnd.kubernetes.protobuf"]
    assert shown.body.startswith(b"k8s\0")
    sent = await client.send(
        "PUT", f"{NS}/shop", shown.body, content_type="application/vnd.kubernetes.protobuf"
    )
    assert sent.status == 200
    missing = await client.get(f"{NS}/none", accept=PROTOBUF)
    assert missing.body.startswith(b"k8s\0")
