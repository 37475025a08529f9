"""Clients that move tags until they have done enough, and what they were promised while they did.

Each tag of its own (`own`) has one client: its history must be exactly what was acknowledged. The
tag `shared` is moved by all, with images that nobody else uses: acknowledgements order them in
part. The tag `imported` follows a registry.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import Answer, Client, connected, query

STREAMS = ("red", "blue")
_IMAGE_API = "/apis/image.openshift.io/v1/namespaces"
_POOL = 4


def digest(text: str) -> str:
    """A made-up image's name."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def pull_spec(name: str) -> str:
    """Where a made-up image would be."""
    return f"registry.example/shop/app@{name}"


@dataclass(frozen=True, slots=True)
class Move:
    """An acknowledged move, by the test's own clock."""

    image: str
    asked_at: float
    acknowledged_at: float


@dataclass(slots=True)
class Promises:
    """Acknowledged moves by stream and tag."""

    moves: dict[tuple[str, str], list[Move]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    slow: list[tuple[float, str]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(map(len, self.moves.values()))

    def keep(self, stream: str, tag: str, image: str, asked_at: float) -> None:
        self.moves.setdefault((stream, tag), []).append(Move(image, asked_at, time.monotonic()))


class World:
    """A namespace of streams and followers in a stack, and the registry it imports from."""

    def __init__(self, stack: Stack, registry: FakeRegistry, namespace: str, clients: int) -> None:
        self.stack = stack
        self.registry = registry
        self.namespace = namespace
        self.promises = Promises()
        self.clients = clients
        self._builds = 0
        self._newest = ""

    @property
    def followed(self) -> list[tuple[str, str]]:
        """Stream and tag of each Deployment."""
        own = [(STREAMS[n % len(STREAMS)], f"own-{n}") for n in range(self.clients)]
        return [*own, *((stream, "shared") for stream in STREAMS), (STREAMS[0], "imported")]

    async def prepare(self, client: Client) -> None:
        """The namespace, its streams with images to choose from, and a Deployment for each tag."""
        await client.sure(
            "POST",
            "/api/v1/namespaces",
            {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": self.namespace}},
        )
        for stream in STREAMS:
            await client.sure("POST", self.path("imagestreams"), self.stream(stream))
            for number in range(_POOL):
                name = digest(f"{stream} {number}")
                await self.push(client, stream, f"pool-{number}", name)
        for stream, tag in self.followed:
            body = build_deployment(f"{stream}-{tag}", f"{stream}:{tag}")
            path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
            await client.sure("POST", path, body)

    async def push(self, client: Client, stream: str, tag: str, image: str) -> None:
        """What a registry tells after a push."""
        body = {
            "kind": "ImageStreamMapping",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": stream, "namespace": self.namespace},
            "image": {"metadata": {"name": image}, "dockerImageReference": pull_spec(image)},
            "tag": tag,
        }
        await client.sure("POST", self.path("imagestreammappings"), body)

    async def tag(self, client: Client, stream: str, tag: str, source: dict[str, Any]) -> None:
        """What `oc tag` does."""
        body: dict[str, Any] = {
            "kind": "ImageStreamTag",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": f"{stream}:{tag}", "namespace": self.namespace},
            "tag": {"name": tag, "from": source, "importPolicy": {"insecure": True}},
        }
        if source["kind"] == "DockerImage":
            body["tag"]["generation"] = 0  # import again
        await client.sure("PUT", self.path(f"imagestreamtags/{stream}:{tag}"), body)

    async def move(self, wanted: int, seed: int) -> None:
        """All clients move tags until `wanted` moves more are acknowledged."""
        enough = self.promises.count + wanted
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                dice = random.Random(f"{seed} {number}")
                group.create_task(self._mover(number, dice, lambda: self.promises.count >= enough))

    async def missing(self, wanted: int) -> str:
        """A complaint until so many moves are acknowledged."""
        return "" if self.promises.count >= wanted else f"{self.promises.count} moves so far"

    async def _mover(self, number: int, dice: random.Random, done: Callable[[], bool]) -> None:
        own = STREAMS[number % len(STREAMS)]
        async with connected(self.stack) as client:
            while not done():
                kind = dice.random()
                if number == 0 and kind < 0.4:
                    await self._import(client, synchronous=kind < 0.15)
                elif kind < 0.6:
                    await self._move_own(client, own, f"own-{number}", dice)
                else:
                    await self._move_shared(client, dice.choice(STREAMS))
            self.promises.refusals += client.refusals
            self.promises.slow += client.slow

    async def _move_own(self, client: Client, stream: str, tag: str, dice: random.Random) -> None:
        before = self.promises.moves.get((stream, tag))
        pool = [digest(f"{stream} {number}") for number in range(_POOL)]
        image = dice.choice([one for one in pool if not before or one != before[-1].image])
        asked_at = time.monotonic()
        await self.tag(
            client, stream, tag, {"kind": "ImageStreamImage", "name": f"{stream}@{image}"}
        )
        self.promises.keep(stream, tag, image, asked_at)

    async def _move_shared(self, client: Client, stream: str) -> None:
        image, asked_at = self.build(), time.monotonic()
        await self.push(client, stream, "shared", image)
        self.promises.keep(stream, "shared", image, asked_at)

    async def _import(self, client: Client, *, synchronous: bool) -> None:
        if not synchronous:
            await self.ask_for_import(client)
            return
        image, asked_at = self._build_for_import(), time.monotonic()
        # The stream may change while the registry is asked: that is the asker's to repeat.
        answer = await client.sure(
            "POST", self.path("imagestreamimports"), self._import_of_it, repeats=(409,)
        )
        status = answer.body["status"]["images"][0]
        assert status["status"].get("status") == "Success", status
        assert status["image"]["metadata"]["name"] == image
        self.promises.keep(STREAMS[0], "imported", image, asked_at)

    async def ask_for_import(self, client: Client) -> None:
        """Something new is in the registry, and the stream is told to look sometime."""
        self._build_for_import()
        await self.tag(client, STREAMS[0], "imported", self._source)

    async def import_once(self, client: Client, timeout_s: int = 0) -> Answer:
        """What `oc import-image` asks for, whatever the answer."""
        query = f"?timeout={timeout_s}s" if timeout_s else ""
        path = self.path("imagestreamimports") + query
        return await client.once("POST", path, self._import_of_it)

    def build(self) -> str:
        """A new made-up image."""
        self._builds += 1
        return digest(f"{self.namespace} {self._builds}")

    def _build_for_import(self) -> str:
        seed = f"build {self.build()}"
        self._newest = self.registry.add_image(self.namespace, "latest", seed=seed)
        return self._newest

    @property
    def _source(self) -> dict[str, Any]:
        return {"kind": "DockerImage", "name": f"{self.registry.host}/{self.namespace}:latest"}

    @property
    def _import_of_it(self) -> dict[str, Any]:
        image = {
            "from": self._source,
            "to": {"name": "imported"},
            "importPolicy": {"insecure": True},
        }
        return {
            "kind": "ImageStreamImport",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": STREAMS[0], "namespace": self.namespace},
            "spec": {"import": True, "images": [image]},
        }

    def path(self, resource: str) -> str:
        """Of something of ours in the API of images."""
        return f"{_IMAGE_API}/{self.namespace}/{resource}"

    def stream(self, name: str) -> dict[str, Any]:
        """An empty one, to be created."""
        return {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": name},
        }

    async def broken_promise(self) -> str:
        """What is not as acknowledged; what only takes time is in `unsettled`."""
        rows = await query(
            self.stack,
            "SELECT s.name, i.tag, i.image, i.reference FROM tag_items i"
            " JOIN streams s ON s.uid = i.stream WHERE s.namespace = $1 ORDER BY seq",
            self.namespace,
        )
        history: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            history.setdefault((row["name"], row["tag"]), []).append(row["image"])
        for (stream, tag), moves in self.promises.moves.items():
            found = history.get((stream, tag), [])
            complaint = _compare(tag, moves, found)
            if complaint:
                return f"{stream}:{tag}: {complaint}"
        return ""

    async def unsettled(self, client: Client) -> str:
        """What does not yet follow from the moves: Deployments, imports, dead letters."""
        streams = (await client.sure("GET", self.path("imagestreams"))).body["items"]
        heads = {
            (stream["metadata"]["name"], tag["tag"]): tag["items"][0]["dockerImageReference"]
            for stream in streams
            for tag in stream.get("status", {}).get("tags") or ()
            if tag.get("items")
        }
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        deployments = (await client.sure("GET", path)).body["items"]
        images = {
            one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]["image"]
            for one in deployments
        }
        behind = [
            f"Deployment {stream}-{tag} has {images[f'{stream}-{tag}']}, not {heads[stream, tag]}"
            for stream, tag in self.followed
            if (stream, tag) in heads and images[f"{stream}-{tag}"] != heads[stream, tag]
        ]
        if behind:
            return "; ".join(behind)
        head = heads.get((STREAMS[0], "imported"), "")
        return "" if head.endswith(self._newest) else f"imported is {head}, not {self._newest}"


def _compare(tag: str, moves: list[Move], found: list[str]) -> str:
    acknowledged = [move.image for move in moves]
    if tag.startswith("own"):
        return "" if found == acknowledged else f"{found} is not {acknowledged}"
    missing = set(acknowledged) - set(found)
    if missing:
        return f"{missing} are missing"
    return _out_of_order(moves, found)


def _out_of_order(moves: list[Move], found: list[str]) -> str:
    """A complaint when a move that was acknowledged before another was asked for is above it."""
    first: dict[str, int] = {}
    for place, image in enumerate(found):
        first.setdefault(image, place)
    last = {image: place for place, image in enumerate(found)}
    acknowledged = sorted(moves, key=lambda move: move.acknowledged_at)
    highest, done = -1, 0
    for later in sorted(moves, key=lambda move: move.asked_at):
        while acknowledged[done].acknowledged_at < later.asked_at:
            highest = max(highest, last[acknowledged[done].image])
            done += 1
        if highest > first[later.image]:
            return f"{later.image} is before {found[highest]}"
    return ""


def build_deployment(name: str, follows: str) -> dict[str, Any]:
    """A Deployment whose only container has the image of a tag, `stream:tag`."""
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": follows},
        "fieldPath": 'spec.template.spec.containers[?(@.name=="web")].image',
    }
    labels = {"app": name}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "annotations": {"image.openshift.io/triggers": json.dumps([trigger])},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "placeholder:1"}]},
            },
        },
    }
