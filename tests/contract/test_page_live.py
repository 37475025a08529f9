"""Live events of the web page: resumed without a gap, bounded, ended with the process."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.page_app import PageApp, Reply, open_page_app
from tagstream.api.access.rbac import Subject
from tagstream.api.access.system_objects import build_binding
from tagstream.events.facts import TagChanged, TriggerFired
from tagstream.store.database import Database


@pytest.fixture
async def app(database: Database, tmp_path: Path) -> AsyncIterator[PageApp]:
    async with open_page_app(database, tmp_path) as opened:
        yield opened


@pytest.fixture
async def token(app: PageApp) -> str:
    made = await app.make_token("shop", "developer")
    await app.bind("shop", "developer", "view")
    return made


def moved(tag: str, stream: str = "app") -> TagChanged:
    return TagChanged(namespace="shop", stream=stream, tag=tag, new_image="sha256:1")


def tags_in(text: str) -> list[str]:
    return re.findall(r"app:(t\d+)<", text)


async def test_a_browser_that_comes_again_misses_nothing(app: PageApp, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    async with app.live("/ui/live", **bearer) as live:
        await live.wait_for("retry")
        await app.emit(moved("t0"))
        await live.wait_for("app:t0<")
    last = re.findall(r"^id: (\d+)$", live.text, re.MULTILINE)[-1]
    # More than one look reads, and than is sent at once: what is too old to be read is left out.
    for number in range(1, 31):
        await app.emit(moved(f"t{number}"))
    async with app.live("/ui/live?after=1", **bearer, last_event_id=last) as again:
        await again.wait_for("app:t30<")
        await app.emit(moved("t31"), moved("t32"))
        await again.wait_for("app:t32<")
    assert tags_in(again.text) == [f"t{number}" for number in range(1, 33)]


async def test_a_page_goes_on_where_it_was_rendered(app: PageApp, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    page = await app.get("/ui/events", token)
    after = re.search(r'data-after="(\d+)"', page.text)
    assert after is not None
    await app.emit(moved("t1"))
    async with app.live(f"/ui/live?after={after[1]}", **bearer) as live:
        await live.wait_for("app:t1<")
    async with app.live("/ui/live?after=nonsense", **bearer) as fresh:
        await fresh.wait_for("retry")
        await app.emit(moved("t2"))
        await fresh.wait_for("app:t2<")
    assert tags_in(fresh.text) == ["t2"]


async def test_browsers_get_the_stream_they_look_at(app: PageApp, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    async with (
        app.live("/ui/live?namespace=shop&stream=app", **bearer) as one,
        app.live("/ui/live", **bearer) as every,
    ):
        for live in (one, every):
            await live.wait_for("retry")
        await app.emit(moved("t1", "side"), moved("t2"))
        for live in (one, every):
            await live.wait_for("app:t2<")
        assert app.api.page.feed.readers == 2
    assert "side" not in one.text
    assert "side" in every.text
    assert app.api.page.feed.readers == 0


async def test_browsers_are_bounded_and_end_with_the_process(app: PageApp, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    given = [app.api.page.feed.places.take(f"user-{number}") for number in range(200)]
    async with app.live("/ui/live", **bearer) as refused:
        assert refused.status == 503
    for leave in given:
        leave()
    async with app.live("/ui/live", **bearer) as live:
        await live.wait_for("retry")
        app.api.app.stop()


async def test_one_account_has_a_few_places_even_when_it_asks_at_once(
    app: PageApp, token: str
) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    other = await app.make_token("shop", "somebody-else")
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(
            *(stack.enter_async_context(app.live("/ui/live", **bearer)) for _ in range(13))
        )
        assert Counter(live.status for live in opened) == {200: 10, 429: 3}
        async with app.live("/ui/live", authorization=f"Bearer {other}") as live:
            assert live.status == 200
    async with app.live("/ui/live", **bearer) as again:
        assert again.status == 200


async def test_a_place_that_was_never_used_is_given_back(app: PageApp, token: str) -> None:
    """The client is gone before the first byte: the events are not even begun."""

    class Gone(Reply):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "status" and value == 200:
                raise OSError("gone")
            super().__setattr__(name, value)

    for _ in range(15):
        with pytest.raises(OSError, match="gone"):
            await app.send("GET", "/ui/live", {"authorization": f"Bearer {token}"}, b"", Gone())
    async with app.live("/ui/live", authorization=f"Bearer {token}") as live:
        assert live.status == 200


async def test_a_token_is_judged_once_a_second_however_much_happens(
    app: PageApp, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator, judged = app.api.app.authenticator, 0
    authenticate = authenticator.authenticate

    async def count(scope: Mapping[str, Any], headers: Any) -> object:
        nonlocal judged
        judged += 1
        return await authenticate(scope, headers)

    async with app.live("/ui/live", authorization=f"Bearer {token}") as live:
        await live.wait_for("retry")
        monkeypatch.setattr(authenticator, "authenticate", count)
        started = time.monotonic()
        for number in range(30):
            await app.emit(moved(f"t{number}"))
            await asyncio.sleep(0.1)
        await live.wait_for("app:t29<")
        assert 1 <= judged <= time.monotonic() - started + 1
        # Nothing that this one may see: not judged at all, and not told that something happened.
        judged, told = 0, live.text
        for _ in range(20):
            await app.emit(TagChanged(namespace="other", stream="app", tag="t", new_image="x"))
            await asyncio.sleep(0.1)
        assert (judged, live.text) == (0, told)
        await app.remove("", "serviceaccounts", "shop", "developer")
        await app.emit(moved("after-the-end"))
        await live.wait_for("event: over")
        assert "after-the-end" not in live.text


async def test_who_is_far_behind_reads_the_page_anew(app: PageApp, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    async with app.database.connection() as connection:
        await connection.execute("UPDATE journal_head SET position = position + 6000")
    await app.emit(moved("t1"))
    for target in ("/ui/live?after=0", "/ui/live?after=1"):
        async with app.live(target, **bearer) as live:
            await live.wait_for("event: reload")
        assert tags_in(live.text) == []
    async with app.live("/ui/live?after=5900", **bearer) as near:
        await near.wait_for("app:t1<")


async def test_what_is_looked_through_to_catch_up_is_bounded(app: PageApp, token: str) -> None:
    after = await app.api.page.feed.load_head()
    for number in range(30):
        await app.emit(*(moved(f"t{number}") for _ in range(200)))
    async with app.live(f"/ui/live?after={after}", authorization=f"Bearer {token}") as live:
        await live.wait_for("event: reload")
    assert tags_in(live.text) == []


async def test_a_live_feed_shows_nothing_of_a_former_namespace(app: PageApp, token: str) -> None:
    """Neither what is asked for from before, nor after the namespace was made anew meanwhile."""
    bearer = {"authorization": f"Bearer {token}"}
    started = await app.api.page.feed.load_head()
    async with app.live("/ui/live", **bearer) as open_all_the_time:
        await open_all_the_time.wait_for("retry")
        await app.emit(moved("t1"))
        await open_all_the_time.wait_for("app:t1<")
        await app.remove("", "namespaces", "", "shop")
        await app.emit(moved("t2"))
        old_clock, app.clock.now = app.clock.now, app.clock.now + timedelta(minutes=5)
        await app.make_namespaces("shop")
        # As a replica writes it whose transaction began before the namespace was deleted.
        app.clock.now, new_clock = old_clock, app.clock.now
        await app.emit(moved("t3"))
        app.clock.now = new_clock
        await app.emit(moved("t4"))
        await open_all_the_time.wait_for("app:t4<")
        for path in (f"/ui/live?after={started}", "/ui/live?after=0"):
            async with app.live(path, **bearer) as live:
                await live.wait_for("app:t4<")
            assert tags_in(live.text) == ["t4"]
    assert tags_in(open_all_the_time.text) == ["t1", "t4"]


async def test_workloads_of_a_former_namespace_are_not_shown_either(
    app: PageApp, token: str
) -> None:
    """The stream is in a namespace that stayed, the workload in one that was made anew."""
    await app.insert(
        build_binding("other", "d-view", "view", Subject("ServiceAccount", "developer", "shop"))
    )
    await app.make_stream("other", "app")
    await app.emit(fired("old-workload"))
    await app.remove("", "namespaces", "", "shop")
    app.clock.now += timedelta(minutes=5)
    await app.make_namespaces("shop")
    await app.emit(fired("new-workload"))
    async with app.live("/ui/live?after=0", authorization=f"Bearer {token}") as live:
        await live.wait_for("new-workload")
    events = (await app.get("/ui/events", token)).text
    beside = (await app.get("/ui/streams/other/app", token)).text
    for text in (live.text, events, beside):
        assert "new-workload" in text
        assert "old-workload" not in text


def fired(workload: str) -> TriggerFired:
    return TriggerFired(
        namespace="other",
        stream="app",
        tag="prod",
        api_version="apps/v1",
        kind="Deployment",
        workload_namespace="shop",
        workload_name=workload,
    )
