"""Messages and the places they wait in are lost: what they were about happens all the same."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest
from nats.js import JetStreamContext

from fakes.registry import FakeRegistry
from fakes.stack import Stack
from fakes.stack_faults import (
    Client,
    connected,
    freeze,
    kill,
    query,
    thaw,
    until_published,
    until_ready,
    until_silent,
)
from fakes.tag_movers import World
from tagstream.events.subjects import EVENTS_STREAM, JOBS_STREAM

pytestmark = pytest.mark.xdist_group("stack-faults")

_IMPORTER = "importer-import-tags"
_TRACKER = ("tag-tracker-import-requested", "tag-tracker-import-finished")
_DISPATCHER = "trigger-dispatcher-tag-changed"


@pytest.fixture
async def client(faulty_stack: Stack) -> AsyncIterator[Client]:
    await until_ready(faulty_stack)
    async with connected(faulty_stack) as opened:
        yield opened


@pytest.fixture
async def world(faulty_stack: Stack, faulty_registry: FakeRegistry, client: Client) -> World:
    world = World(faulty_stack, faulty_registry, f"lost-{secrets.token_hex(3)}", 2)
    await world.prepare(client)
    return world


@asynccontextmanager
async def jetstream(stack: Stack) -> AsyncIterator[JetStreamContext]:
    """The administrator of the streams, at work."""
    client = await nats.connect(stack.nats_url)
    try:
        yield client.jetstream()
    finally:
        await client.close()


async def until_ordered(world: World) -> None:
    """Return when there is an import that nobody has run."""

    async def nothing() -> str:
        sql = "SELECT FROM imports WHERE namespace = $1 AND finished_at IS NULL"
        return "" if await query(world.stack, sql, world.namespace) else "no import is ordered"

    await until_silent(nothing, "an import is ordered")


async def test_an_import_whose_job_was_lost_is_ordered_again(world: World, client: Client) -> None:
    stack = world.stack
    freeze(stack, "importer-0")
    await world.ask_for_import(client)
    await until_ordered(world)
    async with jetstream(stack) as streams:
        await streams.purge_stream(JOBS_STREAM)
    # It may have been handed the job before.
    assert kill(stack, "importer-0")
    await until_silent(lambda: world.unsettled(client), "it is imported")


async def test_an_import_under_way_outlives_its_stream(world: World, client: Client) -> None:
    stack = world.stack
    freeze(stack, "importer-0")
    await world.ask_for_import(client)
    await until_ordered(world)
    async with jetstream(stack) as streams:
        await streams.delete_stream(JOBS_STREAM)
    assert kill(stack, "importer-0")
    await until_silent(lambda: world.unsettled(client), "it is imported")


async def test_consumers_that_were_deleted_are_made_again(world: World, client: Client) -> None:
    stack = world.stack
    freeze(stack, "importer-0")
    try:
        await world.ask_for_import(client)
        async with jetstream(stack) as streams:
            await streams.delete_consumer(JOBS_STREAM, _IMPORTER)
            for durable in (*_TRACKER, _DISPATCHER):
                await streams.delete_consumer(EVENTS_STREAM, durable)
    finally:
        thaw(stack, "importer-0")
    await until_silent(lambda: world.unsettled(client), "it is imported")
    await until_ready(stack)


async def test_a_stream_of_events_that_was_deleted_is_filled_again(
    world: World, client: Client
) -> None:
    stack = world.stack
    before = await until_published(stack)
    async with jetstream(stack) as streams:
        await streams.delete_stream(EVENTS_STREAM)
    await world.push(client, "red", "shared", world.build())
    after = await until_published(stack)
    assert after[: len(before)] == before
    await until_ready(stack)
    await until_silent(lambda: world.unsettled(client), "everything follows")
