"""A small world of streams, images and pods for the pruner, in Postgres and as a plain model.

The model decides by the words of the specification, one item and one image at a time, so that the
sets of the pruner have something to be compared with.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fakes.streams import digest
from tagstream.pruning.rules import PruneRules
from tagstream.store.database import Connection, Database
from tagstream.store.images import load_images, store_images
from tagstream.store.journal import Command, transaction
from tagstream.store.resources import Resource, insert_resource
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import list_headers, load_stream, load_whole
from tagstream.streams.image_stream import ImageStream, TagEvent, TagHistory
from tagstream.streams.status_write import decide_mapping

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NAMESPACE = "shop"
_TABLES = (
    "streams, spec_tags, tag_items, tag_conditions, images, resources, changes, commands, facts, "
    "workload_triggers, prune_runs, imports, import_schedule, manifest_cache"
)


@dataclass(frozen=True)
class Picture:
    """An image: minutes of age, whether it was pushed here, and its children if it is a list."""

    name: str
    age: int = 600
    managed: bool = False
    children: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pod:
    """A pod of one container."""

    name: str
    image: str
    phase: str = "Running"
    age: int = 600


@dataclass(frozen=True)
class World:
    """Streams by name: minutes of age, and of each tag its items, newest first, as image name and
    minutes of age. The image name "" is an item of a reference tag."""

    streams: Mapping[str, tuple[int, Mapping[str, tuple[tuple[str, int], ...]]]] = field(
        default_factory=dict
    )
    pictures: tuple[Picture, ...] = ()
    pods: tuple[Pod, ...] = ()

    def holds(self, name: str) -> bool:
        return any(one.name == name for one in self.pictures)


Items = set[tuple[str, str, int]]


def expected_items(world: World, rules: PruneRules) -> Items:
    """Stream, tag and place of each item that goes (D4)."""
    minutes = rules.keep_younger_than / timedelta(minutes=1)
    gone: Items = set()
    for stream, (age, tags) in world.streams.items():
        if age < minutes:
            continue
        for tag, items in tags.items():
            for place, (image, item_age) in enumerate(items):
                if item_age < minutes or not image:
                    continue
                used = {pod.image for pod in world.pods if _counts(pod, minutes)}
                if place == 0 and f"any:5000/{NAMESPACE}/{stream}:{tag}" in used:
                    continue
                by_digest = f"any:5000/{NAMESPACE}/{stream}@{digest(image)}" in used
                kept = place < rules.keep_tag_revisions or by_digest
                if not world.holds(image) or not kept:
                    gone.add((stream, tag, place))
    return gone


def _counts(pod: Pod, minutes: float) -> bool:
    return pod.phase in ("Running", "Pending") or pod.age <= minutes


def expected_images(world: World, rules: PruneRules, gone: Items) -> set[str]:
    """The names of the images that go once those items are gone (D6)."""
    minutes = rules.keep_younger_than / timedelta(minutes=1)
    used = {
        image
        for stream, (_, tags) in world.streams.items()
        for tag, items in tags.items()
        for place, (image, _) in enumerate(items)
        if (stream, tag, place) not in gone
    }
    used |= {child for one in world.pictures if one.name in used for child in one.children}
    return {
        one.name
        for one in world.pictures
        if one.name not in used and one.age >= minutes and (rules.all_images or one.managed)
    }


def command(at: datetime = NOW) -> Command:
    return Command(str(uuid.uuid4()), "test", at, "jane", "test")


def ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


async def clear(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(f"TRUNCATE {_TABLES} CASCADE")


async def build(database: Database, world: World) -> None:
    """Writes the world through the store."""
    for one in world.pictures:
        async with transaction(database, command(ago(one.age))) as tx:
            await store_images(tx, {digest(one.name): body(one)})
    for name, (age, tags) in world.streams.items():
        histories = {
            tag: TagHistory(tag, tuple(event(image, item_age) for image, item_age in items))
            for tag, items in tags.items()
        }
        stream = ImageStream(NAMESPACE, name, str(uuid.uuid4()), ago(age), status_tags=histories)
        async with transaction(database, command()) as tx:
            await create_stream(tx, stream, "")
    for pod in world.pods:
        await add_pod(database, pod)


def body(one: Picture) -> dict[str, object]:
    annotations = {"openshift.io/image.managed": "true"} if one.managed else {}
    made: dict[str, object] = {
        "metadata": {"name": digest(one.name), "annotations": annotations},
        "dockerImageReference": f"quay.io/acme/{one.name}@{digest(one.name)}",
    }
    if one.children:
        made["dockerImageManifests"] = [{"digest": digest(child)} for child in one.children]
    return made


def event(image: str, age: int = 0) -> TagEvent:
    shown = digest(image) if image else ""
    return TagEvent(ago(age), f"quay.io/acme/{image or 'x'}@{digest(image)}", shown, 1)


async def add_pod(database: Database, pod: Pod) -> None:
    created = ago(pod.age).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = {
        "metadata": {"name": pod.name, "namespace": NAMESPACE, "creationTimestamp": created},
        "spec": {"containers": [{"name": "web", "image": pod.image}]},
        "status": {"phase": pod.phase},
    }
    row = Resource("", "pods", NAMESPACE, pod.name, str(uuid.uuid4()), 0, {}, made)
    async with transaction(database, command()) as tx:
        await insert_resource(tx, row)


async def push(database: Database, stream: str, tag: str, picture: Picture) -> None:
    """Moves a tag, as a pusher does: the image and the item in one transaction."""
    async with transaction(database, command()) as tx:
        before = await load_stream(tx.connection, NAMESPACE, stream, tags=[tag], lock=True)
        assert before is not None
        await store_images(tx, {digest(picture.name): body(picture)})
        after = decide_mapping(before, tag, event(picture.name))
        if after is not before:
            await save_stream(tx, before, after, "")


def pushed(world: World, stream: str, tag: str, picture: Picture) -> World:
    """What `push` makes of the model."""
    age, tags = world.streams[stream]
    items = tags.get(tag, ())
    if not items or items[0][0] != picture.name:
        tags = {**tags, tag: ((picture.name, 0), *items)}
    pictures = world.pictures if world.holds(picture.name) else (*world.pictures, picture)
    return replace(world, streams={**world.streams, stream: (age, tags)}, pictures=pictures)


async def load_histories(database: Database) -> dict[tuple[str, str], list[str]]:
    """The digests of each tag that has items, newest first."""
    async with database.snapshot() as connection:
        streams = await load_whole(
            connection, await list_headers(connection, NAMESPACE, ("", ""), 1000)
        )
    return {
        (stream.name, tag): [item.image for item in history.items]
        for stream in streams
        for tag, history in stream.status_tags.items()
    }


async def load_digests(connection: Connection, world: World) -> set[str]:
    names = {digest(one.name): one.name for one in world.pictures}
    return {names[found] for found in await load_images(connection, list(names))}


def histories_without(world: World, gone: Items) -> dict[tuple[str, str], list[str]]:
    """What `load_histories` should say."""
    left = {
        (stream, tag): [
            digest(image) if image else ""
            for place, (image, _) in enumerate(items)
            if (stream, tag, place) not in gone
        ]
        for stream, (_, tags) in world.streams.items()
        for tag, items in tags.items()
    }
    return {key: items for key, items in left.items() if items}
