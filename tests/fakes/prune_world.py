"""The model's world in a real Postgres: building it, moving it, and reading what is left."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fakes.prune_model import KINDS, WATCHED, Items, Pod, World, home
from fakes.prune_model import Picture as Picture
from fakes.streams import digest, permanent
from tagstream.pruning.size_limits import IMAGE_LIMIT
from tagstream.store.database import Connection, Database
from tagstream.store.images import load_images, store_images
from tagstream.store.journal import Command, transaction
from tagstream.store.resources import Resource, insert_resource
from tagstream.store.stream_writes import create_stream, save_stream
from tagstream.store.streams import list_headers, load_stream, load_whole
from tagstream.store.workload_triggers import IndexedTrigger, IndexedWorkload, save_workload
from tagstream.streams.image_stream import ImageStream, TagEvent, TagHistory
from tagstream.streams.status_write import decide_mapping

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
_TABLES = (
    "streams, spec_tags, tag_items, tag_conditions, images, resources, changes, commands, "
    "past_commands, facts, workload_triggers, prune_runs, imports, import_schedule, manifest_cache"
)


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
        stream = ImageStream(home(name), name, str(uuid.uuid4()), ago(age), status_tags=histories)
        async with transaction(database, command()) as tx:
            await create_stream(tx, stream, "")
    for pinned, image in world.pins:
        await pin(database, pinned, image)
    for pod in world.pods:
        await add_pod(database, pod)
    for namespace, most in world.limits.items():
        await limit(database, namespace, f"{most}Ki")


def body(one: Picture) -> dict[str, object]:
    annotations = {"openshift.io/image.managed": "true"} if one.managed else {}
    made: dict[str, object] = {
        "metadata": {"name": digest(one.name), "annotations": annotations},
        "dockerImageReference": f"quay.io/acme/{one.name}@{digest(one.name)}",
    }
    if one.children:
        made["dockerImageManifests"] = [{"digest": digest(child)} for child in one.children]
    if one.size:
        made["dockerImageMetadata"] = {"Size": one.size * 1024}
    return made


def event(image: str, age: int = 0) -> TagEvent:
    shown = digest(image) if image else ""
    return TagEvent(ago(age), f"quay.io/acme/{image or 'x'}@{digest(image)}", shown, 1)


async def add_pod(database: Database, pod: Pod) -> None:
    """Stores a workload, or notes it as seen."""
    if pod.kind == WATCHED:
        await _watch(database, pod)
        return
    group, path = KINDS[pod.kind]
    made: dict[str, Any] = {
        "metadata": {
            "name": pod.name,
            "namespace": pod.namespace,
            "creationTimestamp": ago(pod.age).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "status": {"phase": pod.phase} if pod.kind == "pods" else {},
    }
    below = made
    for part in path:
        below = below.setdefault(part, {})
    other = {"name": "other", "image": "nginx"}
    own = {"name": "web", "image": pod.image}
    below["containers"] = [other if pod.is_init else own]
    if pod.is_init:
        below["initContainers"] = [own]
    row = Resource(group, pod.kind, pod.namespace, pod.name, str(uuid.uuid4()), 0, {}, made)
    async with transaction(database, command()) as tx:
        await insert_resource(tx, row)


async def limit(database: Database, namespace: str, most: str, name: str = "sizes") -> None:
    """Stores a LimitRange for images, beside limits of other things."""
    limits = [
        {"type": "Container", "max": {"storage": "0"}},
        {"type": IMAGE_LIMIT, "min": {"storage": "0"}},
        {"type": IMAGE_LIMIT, "max": {"storage": most}},
    ]
    made: dict[str, Any] = {"metadata": {"name": name}, "spec": {"limits": limits}}
    row = Resource("", "limitranges", namespace, name, str(uuid.uuid4()), 0, {}, made)
    async with transaction(database, command()) as tx:
        await insert_resource(tx, row)


async def _watch(database: Database, pod: Pod) -> None:
    container = ["initContainers" if pod.is_init else "containers", 0, "web", pod.image]
    key = ("elsewhere", "apps/v1", "Deployment", pod.namespace, pod.name)
    seen = IndexedWorkload(key, str(uuid.uuid4()), "1", {"containers": [container]})
    trigger = IndexedTrigger("image", "web", "none", "none", "none", False, pod.image)
    async with database.connection() as connection:
        now = await connection.fetchval("SELECT clock_timestamp()")
        await save_workload(connection, seen, (trigger,), now)


async def push(
    database: Database, stream: str, tag: str, picture: Picture, *others: Picture
) -> None:
    """Moves a tag, as an import does: the image, its children and the item in one transaction."""
    async with transaction(database, command()) as tx:
        before = await load_stream(tx.connection, home(stream), stream, tags=[tag], lock=True)
        assert before is not None
        await store_images(tx, {digest(one.name): body(one) for one in (picture, *others)})
        after = decide_mapping(before, tag, event(picture.name))
        if after is not before:
            await save_stream(tx, before, after, "")


async def pin(database: Database, stream: str, image: str, *pictures: Picture) -> None:
    """Gives the stream a tag whose specification names an image, and that has no status; the image
    and its children are stored if they are given."""
    async with transaction(database, command()) as tx:
        before = await load_stream(tx.connection, home(stream), stream, lock=True)
        assert before is not None
        await store_images(tx, {digest(one.name): body(one) for one in pictures})
        name = f"pin-{image}"
        made = {**before.spec_tags, name: permanent(name, f"{stream}@{digest(image)}")}
        await save_stream(tx, before, replace(before, spec_tags=made), "")


async def load_histories(database: Database) -> dict[tuple[str, str], list[str]]:
    """The digests of each tag that has items, newest first."""
    async with database.snapshot() as connection:
        streams = await load_whole(connection, await list_headers(connection, "", ("", ""), 1000))
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
