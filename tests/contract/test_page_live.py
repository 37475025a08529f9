"""Live events of the web page: resumed without a gap, bounded, ended with the process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.page_app import PageApp, open_page_app
from tagstream.events.facts import TagChanged
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
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(app.api.page.feed.joined())
        refused = await app.ask("GET", "/ui/live", **bearer)
        assert refused.status == 503
    async with app.live("/ui/live", **bearer) as live:
        await live.wait_for("retry")
        app.api.app.stop()
