"""Reading image streams from a real Postgres: in part, as tags, as images, as lists."""

from __future__ import annotations

import asyncio
import json
import uuid

from fakes.stored_streams import command, create
from fakes.streams import (
    REGISTRY,
    alias,
    at,
    condition,
    digest,
    event,
    history,
    image_stream,
    permanent,
    pull_spec,
    registry_tag,
)
from tagstream.store.database import Database
from tagstream.store.images import store_images
from tagstream.store.journal import transaction
from tagstream.store.stream_images import find_stream_images
from tagstream.store.stream_writes import create_stream
from tagstream.store.streams import (
    list_headers,
    load_sources,
    load_stream,
    load_whole,
    resolve_tag,
)
from tagstream.store.tag_views import list_tag_views, load_tag_view
from tagstream.streams.image_stream import SourceKind
from tagstream.streams.sources import ResolvedSource, SourceQuery


def sources_of(stream: str) -> list[SourceQuery]:
    tag, image = SourceKind.IMAGE_STREAM_TAG, SourceKind.IMAGE_STREAM_IMAGE
    one = digest("one")
    return [
        SourceQuery(tag, "demo", stream, "a"),
        SourceQuery(tag, "demo", stream, "nope"),
        SourceQuery(tag, "demo", "missing", "a"),
        SourceQuery(image, "demo", stream, one),
        SourceQuery(image, "demo", stream, one[7:15]),
        SourceQuery(image, "demo", stream, "sha256:"),
        SourceQuery(image, "demo", stream, "%"),
        SourceQuery(image, "demo", "missing", one),
    ]


async def test_sources_are_found_as_the_specification_says(database: Database) -> None:
    newest = event("one", 3, created=at(3))
    await create(
        database,
        image_stream(
            [],
            [history("a", event("two", 2), event("one", 1)), history("b", newest)],
        ),
    )
    queries = sources_of("py")
    async with database.connection() as connection:
        found = await load_sources(connection, queries)
    both = tuple(sorted([event("two", 2), newest], key=lambda e: e.image))
    assert [found[query] for query in queries] == [
        ResolvedSource(True, (event("two", 2),)),
        ResolvedSource(True),
        ResolvedSource(False),
        ResolvedSource(True, (newest,)),
        ResolvedSource(True, (newest,)),
        ResolvedSource(True, both),
        ResolvedSource(True),
        ResolvedSource(False),
    ]


async def test_a_part_is_the_tags_and_whatever_follows_them(database: Database) -> None:
    tags = [registry_tag("a"), alias("b", "a"), alias("c", "py:b"), permanent("d", digest("one"))]
    loops = [alias("x", "y"), alias("y", "x")]
    items = [history(t, event("two", 2), event("one", 1)) for t in "abcdxy"]
    stored = await create(database, image_stream([*tags, *loops], items))
    async with database.snapshot() as connection:
        part = await load_stream(connection, "demo", "py", tags=["a"])
        loop = await load_stream(connection, "demo", "py", tags=["x", "nope"])
        deep = await load_stream(connection, "demo", "py", tags=["d"], whole_history=True)
    assert part is not None
    assert loop is not None
    assert deep is not None
    assert (set(part.spec_tags), set(part.status_tags)) == ({*"abc"}, {*"abc"})
    assert {len(one.items) for one in part.status_tags.values()} == {1}
    assert set(loop.spec_tags) == {*"xy"}
    assert deep.status_tags == {"d": stored.status_tags["d"]}


async def test_a_tag_is_seen_in_one_statement(database: Database) -> None:
    body = {"metadata": {"name": digest("one")}, "dockerImageManifests": []}
    async with transaction(database, command()) as tx:
        await store_images(tx, {digest("one"): body})
        await create_stream(
            tx,
            image_stream(
                [registry_tag("a"), registry_tag("w")],
                [
                    history("a", event("one", 2), event("two", 1), conditions=[condition()]),
                    history("p", event("two", 1)),
                ],
            ),
            "",
        )
    async with database.snapshot() as connection:
        view = await load_tag_view(connection, "demo", "py", "a")
        missing = await load_tag_view(connection, "demo", "py", "nope")
        assert await load_tag_view(connection, "demo", "nope", "a") is None
        listed = await list_tag_views(connection, "demo", with_image=False, limit=10)
        paged = await list_tag_views(
            connection, "", after=("demo", "py", "a"), with_image=True, limit=10
        )
        pulled = await resolve_tag(connection, "demo", "py", "a", REGISTRY)
        assert await resolve_tag(connection, "demo", "py", "w", REGISTRY) is None
    assert view is not None
    assert missing is not None
    assert (view.name, view.reference, view.head) == ("py:a", registry_tag("a"), event("one", 2))
    assert view.image is not None
    assert (view.image.body, view.condition) == (body, condition())
    assert (missing.reference, missing.head, missing.condition) == (None, None, None)
    assert [one.tag for one in listed] == ["a", "p", "w"]
    assert [one.tag for one in paged] == ["p"]
    assert pulled == pull_spec("one")


async def test_images_of_a_stream_include_children_of_its_lists(database: Database) -> None:
    child = digest("child")
    body = {"metadata": {"name": digest("list")}, "dockerImageManifests": [{"digest": child}]}
    async with transaction(database, command()) as tx:
        await store_images(tx, {digest("list"): body})
        stream = image_stream([], [history("a", event("list", 1))])
        await create_stream(tx, stream, "")
    async with database.snapshot() as connection:
        assert await find_stream_images(connection, stream.uid, child[7:19]) == [child]
        assert await find_stream_images(connection, stream.uid, digest("list")) == [digest("list")]
        assert await find_stream_images(connection, stream.uid, "sha256:%") == []


async def test_streams_are_listed_in_order_and_by_page(database: Database) -> None:
    keys = [("a", "z"), ("b", "a"), ("b", "c"), ("b-1", "a"), ("c", "a")]
    for namespace, name in reversed(keys):
        await create(database, image_stream(namespace=namespace, name=name, uid=str(uuid.uuid4())))
    async with database.snapshot() as connection:
        everything = await list_headers(connection, "", ("", ""), 100)
        page = await list_headers(connection, "", ("b", "a"), 2)
        one = await list_headers(connection, "b", ("", ""), 100)
        whole = await load_whole(connection, everything)
    assert [(s.namespace, s.name) for s in everything] == keys
    assert [(s.namespace, s.name) for s in page] == keys[2:4]
    assert [s.name for s in one] == ["a", "c"]
    assert whole == everything


async def test_an_image_is_found_in_few_steps_however_often_a_tag_came_back_to_it(
    database: Database,
) -> None:
    moves = [event("ab"[n % 2], created=at(n)) for n in range(2000)]
    await create(database, image_stream([], [history("a", *reversed(moves))]))
    asked: list[tuple[str, tuple[object, ...]]] = []
    query = SourceQuery(SourceKind.IMAGE_STREAM_IMAGE, "demo", "py", digest("a"))
    async with database.connection() as connection:
        await connection.execute("ANALYZE tag_items")
        connection.add_query_logger(lambda one: asked.append((one.query, one.args)))
        found = await load_sources(connection, [query])
        await asyncio.sleep(0)
        sql, arguments = asked[-1]
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
        (plan,) = json.loads(await connection.fetchval(explain, *arguments))
    assert found[query].events == (moves[-2],)
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 50
