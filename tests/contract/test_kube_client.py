"""The cluster client against a small server that can also misbehave."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from fakes.certificates import write_self_signed
from fakes.cluster import Cluster, run_cluster, status
from tagstream.errors import Conflict, InvalidInput, NotFound, Upstream
from tagstream.kube.client import KubeClient
from tagstream.kube.config import ClusterConfig
from tagstream.kube.errors import Expired
from tagstream.kube.resources import ResourceType
from tagstream.kube.watch import WatchEvent, WatchPolicy, WatchType, watch
from tagstream.telemetry import tracing
from tagstream.telemetry.names import KUBE_SPAN

DEPLOYMENTS = ResourceType("apps/v1", "Deployment", "deployments")
COLLECTION = "/apis/apps/v1/deployments"
QUICK = WatchPolicy(idle_s=0.3, attempts=3, first_delay_s=0.01)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with run_cluster() as running:
        yield running


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    async with KubeClient(ClusterConfig(cluster.url, token="t0ken"), timeout_s=2) as client:
        yield client


def deployment(name: str = "web", image: str = "old") -> dict[str, object]:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }


async def test_an_object_is_created_read_changed_and_deleted(client: KubeClient) -> None:
    created = await client.create(DEPLOYMENTS, "shop", deployment())
    with pytest.raises(Conflict, match="already exists"):
        await client.create(DEPLOYMENTS, "shop", deployment())
    updated = await client.update(DEPLOYMENTS, "shop", "web", {**created, "spec": {}})
    with pytest.raises(Conflict, match="modified"):
        await client.update(DEPLOYMENTS, "shop", "web", created)
    await client.patch(DEPLOYMENTS, "shop", "web", {"spec": {"replicas": 2}})
    found = await client.get(DEPLOYMENTS, "shop", "web")
    assert updated["spec"] == {}
    assert found["spec"] == {"replicas": 2}
    await client.delete(DEPLOYMENTS, "shop", "web")
    with pytest.raises(NotFound, match="web not found"):
        await client.get(DEPLOYMENTS, "shop", "web")


async def test_a_patch_whose_test_fails_is_invalid_input(client: KubeClient) -> None:
    await client.create(DEPLOYMENTS, "shop", deployment())
    path = "/spec/containers/0/image"
    with pytest.raises(InvalidInput, match="testing value"):
        await client.patch(
            DEPLOYMENTS,
            "shop",
            "web",
            [{"op": "test", "path": path, "value": "x"}, {"op": "add", "path": path, "value": "n"}],
        )


async def test_a_patch_survives_a_connection_closed_under_it(
    client: KubeClient, cluster: Cluster
) -> None:
    await client.create(DEPLOYMENTS, "shop", deployment())

    def hang_up_once(request: web.Request) -> None:
        cluster.fault = lambda _: None
        assert request.transport is not None
        request.transport.close()

    cluster.fault = hang_up_once
    patched = await client.patch(DEPLOYMENTS, "shop", "web", {"spec": {"replicas": 2}})
    assert patched["spec"] == {"replicas": 2}


async def test_a_list_reads_all_pages_and_names_the_kind(
    client: KubeClient, cluster: Cluster
) -> None:
    for n in range(5):
        cluster.put(COLLECTION, deployment(f"web-{n}"))
    pages = [page async for page in client.pages(DEPLOYMENTS, page_size=2)]
    assert [len(page.items) for page in pages] == [2, 2, 1]
    found = await client.list(DEPLOYMENTS, "shop")
    assert len(found.items) == 5
    assert found.items[0]["kind"] == "Deployment"
    assert found.resource_version == str(cluster.version)


async def test_identity_and_trace_travel_with_every_request(
    client: KubeClient, cluster: Cluster
) -> None:
    with tracing.span(KUBE_SPAN):
        await client.list(DEPLOYMENTS)
        expected = tracing.current_traceparent()
    assert cluster.headers[0]["Authorization"] == "Bearer t0ken"
    assert cluster.headers[0]["traceparent"] == expected


async def test_a_token_file_is_read_and_its_absence_told(tmp_path: Path, cluster: Cluster) -> None:
    token = tmp_path / "token"
    token.write_text("rotated\n")
    async with KubeClient(ClusterConfig(cluster.url, token_file=token)) as client:
        await client.list(DEPLOYMENTS)
    assert cluster.headers[0]["Authorization"] == "Bearer rotated"
    token.unlink()
    async with KubeClient(ClusterConfig(cluster.url, token_file=token)) as client:
        with pytest.raises(InvalidInput, match="tokenFile"):
            await client.list(DEPLOYMENTS)


@pytest.mark.parametrize(
    ("code", "transient"), [(401, False), (403, False), (429, True), (500, True), (503, True)]
)
async def test_refusals_say_whether_they_pass(
    client: KubeClient, cluster: Cluster, code: int, transient: bool
) -> None:
    cluster.fault = lambda _: status(code, "X", "no way")
    with pytest.raises(Upstream, match="no way") as caught:
        await client.get(DEPLOYMENTS, "shop", "web")
    assert (caught.value.code, caught.value.transient) == (code, transient)


async def test_retry_after_and_long_bodies_are_understood(
    client: KubeClient, cluster: Cluster
) -> None:
    cluster.fault = lambda _: web.Response(
        status=429, headers={"Retry-After": "7"}, body=b"x" * 1_000_000
    )
    with pytest.raises(Upstream, match="HTTP 429") as caught:
        await client.get(DEPLOYMENTS, "shop", "web")
    assert caught.value.retry_after_s == 7
    cluster.fault = lambda _: status(500, "X", "y" * 100_000)
    with pytest.raises(Upstream) as caught:
        await client.get(DEPLOYMENTS, "shop", "web")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"items": [1]}', b"x" * (5 * 1024 * 1024)])
async def test_nonsense_is_refused(client: KubeClient, cluster: Cluster, body: bytes) -> None:
    cluster.fault = lambda _: web.Response(body=body)
    asked = client.list(DEPLOYMENTS) if body[:1] == b"{" else client.get(DEPLOYMENTS, "shop", "web")
    with pytest.raises(Upstream):
        await asked


async def test_a_server_that_is_away_is_transient() -> None:
    async with KubeClient(ClusterConfig("http://127.0.0.1:1")) as client:
        with pytest.raises(Upstream, match="does not answer") as caught:
            await client.list(DEPLOYMENTS)
    assert caught.value.transient


def mutual_tls(folder: Path) -> tuple[ssl.SSLContext, str, str]:
    cert, key = write_self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    return context, cert.read_text(), key.read_text()


async def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    context, cert, key = mutual_tls(tmp_path)
    async with run_cluster(context) as cluster:
        known = ClusterConfig(cluster.url, ca_pem=cert, client_cert_pem=cert, client_key_pem=key)
        async with KubeClient(known) as client:
            assert (await client.list(DEPLOYMENTS)).items == ()
        async with KubeClient(dataclasses.replace(known, ca_pem="")) as client:
            with pytest.raises(Upstream, match="TLS to the cluster failed") as caught:
                await client.list(DEPLOYMENTS)
        assert not caught.value.transient
        with pytest.raises(InvalidInput, match="client-certificate"):
            KubeClient(dataclasses.replace(known, client_key_pem=cert))
        with pytest.raises(InvalidInput, match="certificate-authority"):
            KubeClient(dataclasses.replace(known, ca_pem="PEM"))


async def take(client: KubeClient, version: str, count: int) -> list[WatchEvent]:
    async with (
        asyncio.timeout(30),
        aclosing(watch(client, DEPLOYMENTS, version, policy=QUICK)) as w,
    ):
        return [event async for _, event in aenumerate(w, count)]


async def aenumerate(
    source: AsyncIterator[WatchEvent], count: int
) -> AsyncIterator[tuple[int, WatchEvent]]:
    for n in range(count):
        yield n, await anext(source)


async def test_a_watch_tells_changes_in_order(client: KubeClient, cluster: Cluster) -> None:
    start = str(cluster.version)
    cluster.put(COLLECTION, deployment())
    task = asyncio.create_task(take(client, start, 3))
    await asyncio.sleep(0.05)
    cluster.put(COLLECTION, deployment(image="new"))
    cluster.remove((COLLECTION, "shop", "web"))
    assert [event.type.value for event in await task] == ["ADDED", "MODIFIED", "DELETED"]


async def test_a_watch_that_is_cut_resumes_where_it_was(
    client: KubeClient, cluster: Cluster
) -> None:
    event = {"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "11"}}}
    mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}}
    cluster.watch_lines = [
        json.dumps(event).encode() + b"\n" + b'{"type":',
        json.dumps(mark).encode() + b"\n",
    ]
    cluster.version = 12
    task = asyncio.create_task(take(client, "10", 3))
    await asyncio.sleep(0.2)
    cluster.put(COLLECTION, deployment())
    events = await task
    assert [event.type for event in events] == [
        WatchType.ADDED,
        WatchType.BOOKMARK,
        WatchType.ADDED,
    ]
    asked = [path for _, path in cluster.requests if "watch=true" in path]
    assert [path.split("resourceVersion=")[1].split("&")[0] for path in asked[:3]] == [
        "10",
        "11",
        "12",
    ]


async def test_a_silent_watch_is_opened_again(client: KubeClient, cluster: Cluster) -> None:
    task = asyncio.create_task(take(client, "10", 1))
    async with asyncio.timeout(20):
        while cluster.watches < 2:  # noqa: ASYNC110 - the fake signals nothing
            await asyncio.sleep(0.02)
    cluster.put(COLLECTION, deployment())
    assert len(await task) == 1


async def test_a_forgotten_version_is_expired(client: KubeClient, cluster: Cluster) -> None:
    cluster.oldest = 100
    with pytest.raises(Expired):
        await take(client, "10", 1)
    cluster.oldest = 0
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
    cluster.watch_lines = [json.dumps(gone).encode() + b"\n"]
    with pytest.raises(Expired, match="too old"):
        await take(client, "10", 1)


async def test_a_watch_gives_up_on_a_server_that_keeps_failing(
    client: KubeClient, cluster: Cluster
) -> None:
    cluster.fault = lambda _: status(503, "X", "away")
    with pytest.raises(Upstream, match="away"):
        await take(client, "10", 1)
    assert len(cluster.requests) == QUICK.attempts
