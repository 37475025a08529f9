"""The whole process between a real NATS, a real Postgres and a small cluster."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import orjson
import pytest
import yaml

from fakes.cluster import Cluster, run_cluster
from fakes.nats_server import NatsServer
from fakes.postgres import PostgresServer
from tagstream.bus.connection import connect
from tagstream.bus.topology import ensure_streams
from tagstream.embedded.ports import choose_ports
from tagstream.events.envelope import CloudEvent, to_headers
from tagstream.events.facts import TagChanged
from tagstream.events.subjects import event_subject
from tagstream.store.database import Database
from tagstream.store.migrate import migrate

DEPLOYMENTS = "/apis/apps/v1/deployments"
DIGEST = "quay.io/shop/app@sha256:" + "1" * 64


def deployment(name: str) -> dict[str, object]:
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": "app:1"},
        "fieldPath": 'spec.template.spec.containers[?(@.name=="c")].image',
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "shop",
            "name": name,
            "annotations": {"image.openshift.io/triggers": json.dumps([trigger])},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": " "}]}}},
    }


def image(cluster: Cluster, name: str) -> object:
    body = cluster.objects[DEPLOYMENTS, "shop", name]
    return body["spec"]["template"]["spec"]["containers"][0]["image"]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within 20 s")


async def move_tag(database_url: str) -> None:
    database = await Database.connect(database_url, name="test", size=1)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO streams VALUES (gen_random_uuid(), 'shop', 'app', 1, 1, now(), false, '',"
            " '{}', '{}')"
        )
        await connection.execute(
            "INSERT INTO tag_items SELECT uid, '1', 1, now(), $1, $2, 1, '', '', gen_random_uuid()"
            " FROM streams",
            DIGEST,
            DIGEST.partition("@")[2],
        )
    await database.close()


async def announce(nats_url: str) -> None:
    client = await connect(nats_url, name="test", on_closed=lambda: None)
    await ensure_streams(client.jetstream())
    fact = TagChanged(namespace="shop", stream="app", tag="1", new_pull_spec=DIGEST)
    event = CloudEvent("e1", "/t", fact.TYPE, data=orjson.dumps(fact.to_data()))
    await client.jetstream().publish(
        event_subject(fact.TYPE, "shop", "app", "1"), event.data, headers=to_headers(event)
    )
    await client.close()


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with run_cluster() as running:
        yield running


async def test_a_workload_follows_its_tag_through_the_bus(cluster: Cluster, tmp_path: Path) -> None:
    nats, postgres = NatsServer(tmp_path / "nats").start(), PostgresServer.start(tmp_path / "pg")
    try:
        await migrate(postgres.url)
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c"}}],
                    "clusters": [{"name": "c", "cluster": {"server": cluster.url}}],
                }
            )
        )
        (port,) = choose_ports([0])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tagstream.trigger_dispatcher",
            env={
                **os.environ,
                "PYTHONPATH": ":".join(sys.path),
                "TAGSTREAM_POSTGRES_URL": postgres.url,
                "TAGSTREAM_NATS_URL": nats.url,
                "TAGSTREAM_KUBECONFIG": str(kubeconfig),
                "TAGSTREAM_HEALTH_PORT": str(port),
            },
        )
        cluster.put(DEPLOYMENTS, deployment("listed"))
        while not await asyncio.to_thread(is_ready, port):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        await until(lambda: cluster.watches >= 7)
        assert image(cluster, "listed") == " "
        await move_tag(postgres.url)
        await announce(nats.url)
        await until(lambda: image(cluster, "listed") == DIGEST)
        cluster.put(DEPLOYMENTS, deployment("later"))
        await until(lambda: image(cluster, "later") == DIGEST)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        nats.stop()
        postgres.stop()


async def test_missing_settings_end_the_start_in_one_line() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tagstream.trigger_dispatcher",
        env={"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().count("\n") == 1
    assert "TAGSTREAM_POSTGRES_URL: Field required" in err.decode()
