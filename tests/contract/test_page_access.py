"""Who sees what on the web page: exactly what the caller could read through the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.page_app import PageApp, image, open_page_app, tag_of
from tagstream.events.facts import (
    ImagePruned,
    TagChanged,
    TriggerFired,
    TriggersPaused,
)
from tagstream.store.database import Database
from tagstream.store.workload_triggers import IndexedTrigger, IndexedWorkload, save_workload

_LATER = timedelta(minutes=5)


@dataclass
class Callers:
    """Tokens: of one who may read all, of one who may read `shop`, of one who may read nothing."""

    app: PageApp
    viewer: str
    developer: str
    stranger: str


@pytest.fixture
async def callers(database: Database, tmp_path: Path) -> AsyncIterator[Callers]:
    async with open_page_app(database, tmp_path) as app:
        viewer = await app.make_token("other", "viewer")
        await app.bind("other", "viewer", "cluster-reader", everywhere=True)
        developer = await app.make_token("shop", "developer")
        await app.bind("shop", "developer", "view")
        stranger = await app.make_token("shop", "stranger")
        await app.make_stream("shop", "app", tag_of("prod", image(1)))
        await app.make_stream("other", "concealed-app", tag_of("prod", image(2)))
        yield Callers(app, viewer, developer, stranger)


async def follow(app: PageApp, namespace: str, name: str, image_name: str, **more: object) -> None:
    """A row of the dispatcher's index: a Deployment that follows shop/app:prod."""
    trigger = IndexedTrigger(
        "spec.template.spec.containers[0].image", "web", "shop", "app", "prod", False, image_name
    )
    key = ("default", "apps/v1", str(more.get("kind", "Deployment")), namespace, name)
    workload = IndexedWorkload(key, f"uid-{namespace}-{name}", "1", {})
    async with app.database.connection() as connection:
        await save_workload(connection, workload, (trigger,), app.clock())


async def test_streams_are_listed_of_the_namespaces_one_may_list(callers: Callers) -> None:
    everything = (await callers.app.get("/", callers.viewer)).text
    assert "concealed-app" in everything
    assert "/ui/streams/shop/app" in everything
    own = await callers.app.get("/", callers.developer)
    assert own.status == 200
    assert "/ui/streams/shop/app" in own.text
    assert "concealed-app" not in own.text
    assert "other" not in own.text
    nothing = (await callers.app.get("/", callers.stranger)).text
    assert "/ui/streams/" not in nothing
    assert "There are no image streams that system:serviceaccount:shop:stranger may list" in nothing


async def test_a_filter_opens_no_namespace(callers: Callers) -> None:
    for query in ("namespace=other", "name=conceal", "failing=1&namespace=other", "page=2"):
        answer = await callers.app.get(f"/?{query}", callers.developer)
        assert answer.status == 200
        assert "concealed-app" not in answer.text
        assert "of 0 streams" not in answer.text


async def test_a_stream_and_its_tags_need_the_right_to_get_it(callers: Callers) -> None:
    """The answer is the same whether there is such a stream or not."""
    app = callers.app
    for path, expected in (("", 200), ("/prod", 200), ("/none", 404)):
        refused = await app.get(f"/ui/streams/other/concealed-app{path}", callers.developer)
        missing = await app.get(f"/ui/streams/other/never-made{path}", callers.developer)
        assert (refused.status, missing.status) == (403, 403)
        assert image(2).digest not in refused.text
        assert refused.text.replace("concealed-app", "never-made") == missing.text
        own = f"/ui/streams/shop/app{path}"
        assert (await app.get(own, callers.stranger)).status == 403
        assert (await app.get(own, callers.developer)).status == expected


async def test_a_right_that_is_taken_away_is_gone_at_the_next_page(callers: Callers) -> None:
    group = "rbac.authorization.k8s.io"
    await callers.app.remove(group, "rolebindings", "shop", "developer-view")
    assert (await callers.app.get("/ui/streams/shop/app", callers.developer)).status == 403
    assert "/ui/streams/shop/app" not in (await callers.app.get("/", callers.developer)).text


async def test_followers_are_shown_to_whoever_may_read_those_workloads(callers: Callers) -> None:
    app = callers.app
    await follow(app, "shop", "web-here", image(1).docker_image_reference)
    await follow(app, "other", "web-there", "quay.test/app:old")
    await follow(app, "shop", "alien", "quay.test/app:old", kind="Rollout")
    everything = (await app.get("/ui/streams/shop/app/prod", callers.viewer)).text
    assert "web-here" in everything
    assert "up to date" in everything
    assert "web-there" in everything
    assert "behind" in everything
    own = (await app.get("/ui/streams/shop/app/prod", callers.developer)).text
    assert "web-here" in own
    assert "web-there" not in own
    assert "behind" not in own
    for text in (own, everything):
        assert "alien" not in text


async def test_a_readable_follower_is_found_behind_many_others(callers: Callers) -> None:
    """By namespace `other` comes before `shop`; of either only so many are shown, and said so."""
    app = callers.app
    trigger = IndexedTrigger("p", "web", "shop", "app", "prod", False, "quay.test/app:old")
    await follow(app, "shop", "web-here", "quay.test/app:old")
    async with app.database.connection() as connection:
        key = ("default", "apps/v1", "Deployment", "other", "w0")
        await save_workload(connection, IndexedWorkload(key, "u", "1", {}), (trigger,), app.clock())

        async def follow_to(first: int, last: int) -> None:
            await connection.execute(COPIES, first, last)

        await follow_to(1, 1200)
        own = (await app.get("/ui/streams/shop/app/prod", callers.developer)).text
        assert "web-here" in own
        assert "w0" not in own
        assert "Very many workloads" not in own
        everything = (await app.get("/ui/streams/shop/app/prod", callers.viewer)).text
        assert everything.count('data-label="State"') == 500
        assert "Very many workloads" in everything
        await follow_to(1201, 10_000)
    own = (await app.get("/ui/streams/shop/app/prod", callers.developer)).text
    assert "web-here" not in own
    assert "No workload" not in own
    assert "Very many workloads" in own


async def test_a_readable_event_is_found_behind_many_others(callers: Callers) -> None:
    app = callers.app
    await app.emit(FACTS[-1])
    await app.emit(*(FACTS[1] for _ in range(2000)))
    for path in ("/", "/ui/events", "/ui/streams/shop/app"):
        own = (await app.get(path, callers.developer)).text
        assert "open-tag" in own
        assert "concealed" not in own
        assert "were looked through" not in own
    await app.emit(*(FACTS[1] for _ in range(3000)))
    own = (await app.get("/ui/events", callers.developer)).text
    assert "open-tag" not in own
    assert "Only the last 5000 events of everybody were looked through." in own
    assert "were looked through" not in (await app.get("/ui/events", callers.viewer)).text


COPIES = """
    INSERT INTO workload_triggers
    SELECT (jsonb_populate_record(w, jsonb_build_object('name', 'w' || n))).*
    FROM workload_triggers w, generate_series($1::int, $2::int) n
    WHERE w.name = 'w0'
"""
FACTS = (
    TagChanged(namespace="other", stream="concealed-app", tag="t", new_image="sha256:0f"),
    TriggerFired(
        namespace="shop",
        stream="app",
        tag="prod",
        api_version="apps/v1",
        kind="Deployment",
        workload_namespace="other",
        workload_name="concealed-web",
    ),
    TriggersPaused(namespace="shop", message="concealed pause"),
    ImagePruned(run="1", image="sha256:concealed"),
    TagChanged(namespace="shop", stream="app", tag="open-tag", new_image="sha256:01"),
)


async def test_events_are_shown_of_what_one_may_read(callers: Callers) -> None:
    app = callers.app
    await app.emit(*FACTS)
    for path in ("/", "/ui/events", "/ui/events?namespace=other"):
        own = (await app.get(path, callers.developer)).text
        assert "concealed" not in own
        assert ("open-tag" in own) is ("other" not in path)
        assert "concealed" in (await app.get(path, callers.viewer)).text
        assert "open-tag" not in (await app.get(path, callers.stranger)).text


async def test_live_events_are_those_one_may_read_at_that_moment(callers: Callers) -> None:
    app = callers.app
    async with (
        app.live("/ui/live", authorization=f"Bearer {callers.developer}") as live,
        app.live("/ui/live", authorization=f"Bearer {callers.viewer}") as every,
    ):
        assert live.headers["content-type"].startswith("text/event-stream")
        await live.wait_for("retry")
        await every.wait_for("retry")
        await app.emit(*FACTS)
        await live.wait_for("open-tag")
        assert "concealed" not in live.text
        # Nobody tells the policy: a fact is judged by what was committed before it.
        await app.remove("rbac.authorization.k8s.io", "rolebindings", "shop", "developer-view")
        await app.emit(
            TagChanged(namespace="shop", stream="app", tag="in-between", new_image="sha256:1")
        )
        await every.wait_for("app:in-between")
        assert "in-between" not in live.text
        await app.bind("shop", "developer", "view")
        await app.emit(
            TagChanged(namespace="shop", stream="app", tag="granted-again", new_image="sha256:1")
        )
        await live.wait_for("app:granted-again")


async def test_a_new_namespace_of_an_old_name_shows_nothing_of_the_old_one(
    callers: Callers,
) -> None:
    app = callers.app
    await app.emit(
        TagChanged(namespace="shop", stream="app", tag="tenant-one", new_image="sha256:1")
    )
    await app.move("shop", "app", tag_of("prod", image(7)))
    await app.delete("shop", "app")
    await app.remove("", "namespaces", "", "shop")
    app.clock.now = app.clock.now.replace(microsecond=0) + _LATER
    await app.make_namespaces("shop")
    await app.make_stream("shop", "app", tag_of("prod", image(9)))
    events = (await app.get("/ui/events", callers.developer)).text
    assert "tenant-one" not in events
    assert "app:prod" in events
    history = (await app.get("/ui/streams/shop/app/prod", callers.developer)).text
    assert image(9).digest in history
    assert image(7).digest not in history
