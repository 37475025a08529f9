"""An importer that dies or freezes with an import in hand: another one takes it, soon, and the
outcome is as if nothing had been.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.misbehaviours import slow
from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import (
    Answer,
    Client,
    connected,
    freeze,
    kill,
    pid_of,
    start_faulty_stack,
    thaw,
    until_ready,
    until_silent,
)

pytestmark = pytest.mark.xdist_group("import-takeover")

# What looks after lost imports is asleep: whoever takes over does so by itself.
_ENVIRONMENT = {"TAGSTREAM_IMPORT_LOST_AFTER": "600"}
_FETCH_S = 4.0
_TAKEN_OVER_S = 25.0
_JOB_TAKEN_OVER_S = 25.0
_GROUP = "/apis/image.openshift.io/v1/namespaces"
_ESTABLISHED = "01"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with start_faulty_stack("importer=2", _ENVIRONMENT) as started:
        yield started


class Importing:
    """A namespace, and a registry of its own that takes its time."""

    def __init__(self, stack: Stack, client: Client, registry: FakeRegistry) -> None:
        self.stack = stack
        self.client = client
        self.registry = registry
        self.namespace = f"takeover-{secrets.token_hex(3)}"
        self.digest = registry.add_image("app", "latest", seed=self.namespace)

    async def prepare(self) -> None:
        await until_ready(self.stack)
        body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": self.namespace}}
        await self.client.sure("POST", "/api/v1/namespaces", body)

    @property
    def image(self) -> dict[str, Any]:
        source = {"kind": "DockerImage", "name": f"{self.registry.host}/app:latest"}
        return {"from": source, "importPolicy": {"insecure": True}}

    async def now(self) -> Answer:
        """What `oc import-image` asks for."""
        images = [{**self.image, "to": {"name": "latest"}}]
        body = {
            "kind": "ImageStreamImport",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": "app", "namespace": self.namespace},
            "spec": {"import": True, "images": images},
        }
        path = f"{_GROUP}/{self.namespace}/imagestreamimports"
        return await self.client.once("POST", path, body)

    async def by_itself(self) -> None:
        """What `oc create` of a stream asks for."""
        body = {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": "app", "namespace": self.namespace},
            "spec": {"tags": [{**self.image, "name": "latest"}]},
        }
        await self.client.sure("POST", f"{_GROUP}/{self.namespace}/imagestreams", body)

    async def history(self) -> list[str]:
        """The images that the tag had."""
        path = f"{_GROUP}/{self.namespace}/imagestreams/app"
        stream = (await self.client.once("GET", path)).body
        tags = stream["status"].get("tags") or []
        return [item["image"] for tag in tags for item in tag["items"] or []]

    def asked(self) -> int:
        """How often the registry was asked for the image."""
        return len(self.registry.paths("/v2/app/manifests/"))

    async def until_asked(self, times: int, timeout_s: float) -> float:
        async def too_seldom() -> str:
            return "" if self.asked() >= times else f"asked {self.asked()} times"

        return await until_silent(too_seldom, "the registry is asked", timeout_s, pause_s=0.02)

    def holder(self) -> str:
        """The importer that is connected to the registry."""
        names = [
            name
            for name in ("importer-0", "importer-1")
            if is_connected(pid_of(self.stack, name), self.registry.port)
        ]
        assert len(names) == 1, names
        return names[0]


def is_connected(pid: int | None, port: int) -> bool:
    """Whether the process has a connection to this port of 127.0.0.1."""
    if pid is None:
        return False
    far = f"0100007F:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[2:4] == [far, _ESTABLISHED]}
    return any(target(link) in sockets for link in Path(f"/proc/{pid}/fd").iterdir())


def target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        # Closed since it was listed.
        return ""


@pytest.fixture
async def importing(stack: Stack) -> AsyncIterator[Importing]:
    async with FakeRegistry() as registry, connected(stack) as client:
        registry.misbehave("/v2/app/manifests/", slow(_FETCH_S))
        importing = Importing(stack, client, registry)
        await importing.prepare()
        yield importing


def assert_imported(answer: Answer, digest: str) -> None:
    assert answer.code == 201, answer
    image = answer.body["status"]["images"][0]
    assert image["status"]["status"] == "Success", image
    assert image["image"]["metadata"]["name"] == digest


@pytest.mark.parametrize("mistreat", [kill, freeze])
async def test_another_importer_takes_the_request_and_answers_it_once(
    importing: Importing, mistreat: Any
) -> None:
    stack = importing.stack
    asking = asyncio.create_task(importing.now())
    await importing.until_asked(1, 20)
    victim = importing.holder()
    mistreat(stack, victim)
    began = time.monotonic()
    try:
        answer = await asking
        took_s = time.monotonic() - began
        print(f"{mistreat.__name__}: answer {answer.code} after {took_s:.2f} s")
        assert_imported(answer, importing.digest)
        assert took_s < _TAKEN_OVER_S
        assert importing.asked() >= 2
    finally:
        thaw(stack, victim)
    await until_ready(stack)
    await asyncio.sleep(_FETCH_S if mistreat is freeze else 0)
    assert await importing.history() == [importing.digest]


async def test_a_frozen_importer_gets_requests_and_nobody_waits_for_it(
    importing: Importing,
) -> None:
    stack = importing.stack
    freeze(stack, "importer-0")
    try:
        answers = [await importing.now() for _ in range(4)]
    finally:
        thaw(stack, "importer-0")
    print("frozen before:", [round(answer.took_s - _FETCH_S, 2) for answer in answers])
    for answer in answers:
        assert_imported(answer, importing.digest)
        assert answer.took_s - _FETCH_S < _TAKEN_OVER_S
    assert await importing.history() == [importing.digest]


async def test_the_only_importer_goes_on_with_the_request_when_it_is_back(
    importing: Importing,
) -> None:
    stack = importing.stack
    freeze(stack, "importer-1")
    try:
        asking = asyncio.create_task(importing.now())
        await importing.until_asked(1, 20)
        kill(stack, "importer-0")
        began = time.monotonic()
        back_s = await importing.until_asked(2, 40)
        answer = await asking
    finally:
        thaw(stack, "importer-1")
    print(f"restarted: asked again after {back_s:.2f} s, answer {time.monotonic() - began:.2f} s")
    assert_imported(answer, importing.digest)
    assert await importing.history() == [importing.digest]


@pytest.mark.parametrize("mistreat", [kill, freeze])
async def test_another_importer_takes_the_job_and_does_it_once(
    importing: Importing, mistreat: Any
) -> None:
    stack = importing.stack
    await importing.by_itself()
    await importing.until_asked(1, 20)
    victim = importing.holder()
    mistreat(stack, victim)
    try:
        took_s = await importing.until_asked(2, 60)
        print(f"job, {mistreat.__name__}: taken over after {took_s:.2f} s")

        async def missing() -> str:
            history = await importing.history()
            return "" if history == [importing.digest] else f"history {history}"

        await until_silent(missing, "the tag is imported", 30)
    finally:
        thaw(stack, victim)
    await until_ready(stack)
    await asyncio.sleep(_FETCH_S if mistreat is freeze else 0)
    assert await importing.history() == [importing.digest]
    assert took_s < _JOB_TAKEN_OVER_S
