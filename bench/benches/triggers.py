"""From a tag's move to patched workloads: one Deployment, and 200 that follow one tag.

The clock starts when the PUT is answered and stops when a watch shows the Deployment with the new
image. The yardstick of the single one is the same watch after a PATCH straight on the Deployment:
what the dispatcher cannot be faster than.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from bench.benches.moves import make_streams
from bench.figures import Figure
from bench.https import Connection, Watch
from bench.load import median, percentile
from bench.world import World, checked, move_tag

_MOVES, _PATCHES = 100, 30
_FOLLOWERS = 200
_PAUSE_S = 0.05
_P50_MS, _P99_MS, _ALL_S = 25.0, 100.0, 1.0
_TIMEOUT_S = 30.0
_APPS = "/apis/apps/v1/namespaces/{}/deployments"


class _Seen:
    """When each Deployment of a namespace was first seen with each image."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, str], float] = {}
        self._rest = b""
        self._news = asyncio.Event()

    def on_data(self, watch: Watch, data: bytes, now: float) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b'{"') and b'"object"' in line:
                self._on_event(json.loads(line), now)

    def _on_event(self, event: dict[str, Any], now: float) -> None:
        item = event["object"]
        image = item["spec"]["template"]["spec"]["containers"][0]["image"]
        self.at.setdefault((item["metadata"]["name"], image.rpartition("@")[2]), now)
        self._news.set()

    def forget(self) -> None:
        self.at.clear()

    async def wait(self, names: list[str], digest: str) -> float:
        """When the last of `names` was seen with the image. Raises TimeoutError."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not all((name, digest) in self.at for name in names):
                self._news.clear()
                await self._news.wait()
        return max(self.at[name, digest] for name in names)


async def run(world: World) -> list[Figure]:
    return [await _one(world), await _many(world)]


async def _one(world: World) -> Figure:
    namespace = "bench-trigger"
    images = await make_streams(world, namespace, 1)
    seen, watch, connection = await _open(world, namespace)
    await _deploy(connection, namespace, "web", follows=True)
    await _move(connection, namespace, images.nth(0))
    await seen.wait(["web"], images.nth(0))
    latencies_s = []
    for n in range(1, _MOVES + 1):
        seen.forget()
        await asyncio.sleep(_PAUSE_S)
        answered = await _move(connection, namespace, images.nth(n))
        latencies_s.append(await seen.wait(["web"], images.nth(n)) - answered)
    direct_s = await _patch_directly(connection, namespace, seen)
    watch.close()
    connection.close()
    p50_ms, p99_ms = percentile(latencies_s, 0.5) * 1000, percentile(latencies_s, 0.99) * 1000
    return Figure(
        "tag moved -> Deployment patched, idle",
        f"p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms",
        "p50 < 25 ms, p99 < 100 ms",
        p50_ms < _P50_MS and p99_ms < _P99_MS,
        yardstick=f"a PATCH by hand until the watch shows it, p50 {median(direct_s) * 1000:.1f} ms",
        detail=f"{_MOVES} moves, from the answer to the PUT",
    )


async def _patch_directly(connection: Connection, namespace: str, seen: _Seen) -> list[float]:
    await _deploy(connection, namespace, "plain", follows=False)
    latencies_s = []
    for n in range(_PATCHES):
        await asyncio.sleep(_PAUSE_S)
        image = f"registry/app@sha256:{n:064x}"
        patch = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}
        ]
        path = f"{_APPS.format(namespace)}/plain"
        sent = time.perf_counter()
        checked(await connection.request("PATCH", path, patch, "application/json-patch+json"))
        latencies_s.append(await seen.wait(["plain"], image.rpartition("@")[2]) - sent)
    return latencies_s


async def _many(world: World) -> Figure:
    namespace = "bench-many"
    images = await make_streams(world, namespace, 1)
    seen, watch, connection = await _open(world, namespace)
    names = [f"web-{n}" for n in range(_FOLLOWERS)]
    for name in names:
        await _deploy(connection, namespace, name, follows=True)
    await _move(connection, namespace, images.nth(0))
    await seen.wait(names, images.nth(0))
    all_s = []
    for n in range(1, max(world.settings.rounds, 2) + 1):
        seen.forget()
        await asyncio.sleep(1)
        answered = await _move(connection, namespace, images.nth(n))
        all_s.append(await seen.wait(names, images.nth(n)) - answered)
    watch.close()
    connection.close()
    worst = ", ".join(f"{value:.2f}" for value in all_s)
    return Figure(
        f"one tag -> {_FOLLOWERS} Deployments, all patched",
        f"{median(all_s):.2f} s",
        "< 1 s",
        median(all_s) < _ALL_S,
        detail=f"all rounds: {worst} s",
    )


async def _open(world: World, namespace: str) -> tuple[_Seen, Watch, Connection]:
    seen = _Seen()
    path = f"{_APPS.format(namespace)}?watch=true&allowWatchBookmarks=false&timeoutSeconds=600"
    connection = await Connection.open(world.server)
    version = checked(await connection.request("GET", _APPS.format(namespace))).json()
    path += f"&resourceVersion={version['metadata']['resourceVersion']}"
    return seen, await Watch.open(world.server, path, seen.on_data), connection


async def _move(connection: Connection, namespace: str, digest: str) -> float:
    """When the move was answered."""
    checked(await move_tag(connection, namespace, "app-0", "prod", digest))
    return time.perf_counter()


async def _deploy(connection: Connection, namespace: str, name: str, *, follows: bool) -> None:
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": "app-0:prod"},
        "fieldPath": 'spec.template.spec.containers[?(@.name=="c")].image',
    }
    annotations = {"image.openshift.io/triggers": json.dumps([trigger])} if follows else {}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "registry/none"}]},
            },
        },
    }
    checked(await connection.request("POST", _APPS.format(namespace), body))
