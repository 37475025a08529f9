"""The web page in a real Chromium: phone and desktop, light and dark, with and without scripts.

`TAGSTREAM_PAGE_PICTURES` names a folder that keeps the pictures it takes, to be looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fakes.chromium import Screen, Tab, find_chromium, open_tab, run_chromium
from fakes.page_checks import find_problems
from fakes.page_world import PageWorld, make_page_world, open_admin
from fakes.registry import FakeRegistry
from fakes.stack import Stack

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.asyncio(loop_scope="module")]

SCREENS = [
    Screen(width, height, scheme)
    for width, height in ((1280, 900), (390, 844))
    for scheme in ("light", "dark")
]
_EVENT_S = 30.0


@dataclass(frozen=True, slots=True)
class Browser:
    """A tab, and what it looks at."""

    tab: Tab
    world: PageWorld
    pictures: Path

    async def open(self, path: str) -> None:
        await self.tab.open(self.world.url + path)

    async def sign_in(self, token: str) -> None:
        """With the keyboard alone: the field has the focus when the page opens."""
        await self.open("/")
        await self.tab.wait_for("document.activeElement.id === 'token'")
        await self.tab.type(token)
        await self.tab.wait_for(f"document.activeElement.value.length === {len(token)}")
        self.tab.expect_load()
        await self.tab.press("Enter")
        await self.tab.loaded()
        # The browser reports the 401 that the sign-in form came with.
        self.tab.complaints.clear()


@dataclass(frozen=True, slots=True)
class Scene:
    """What all tests of this file share: something to look at, and a browser."""

    world: PageWorld
    chromium: str
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    if find_chromium() is None:
        reason = "chromium is not installed: apt-get install chromium, or set TAGSTREAM_CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    stack: Stack = request.getfixturevalue("stack")
    folder = tmp_path_factory.mktemp("chromium")
    async with FakeRegistry() as registry, open_admin(stack) as session:
        world = await make_page_world(session, stack.url, registry)
        async with run_chromium(folder) as address:
            yield Scene(world, address, folder)


@pytest_asyncio.fixture(loop_scope="module")
async def browser(scene: Scene) -> AsyncIterator[Browser]:
    async with open_tab(scene.chromium) as tab:
        await tab.show_on(SCREENS[0])
        pictures = Path(os.environ.get("TAGSTREAM_PAGE_PICTURES") or scene.folder)
        yield Browser(tab, scene.world, pictures)


async def test_every_page_is_readable_on_every_screen(browser: Browser) -> None:
    tab, world = browser.tab, browser.world
    await browser.open("/ui/sign-in")
    assert await find_problems(tab, SCREENS[0]) == []
    await browser.sign_in(world.viewer)
    stream = f"/ui/streams/{world.shop}/app"
    pages = {
        "overview": "/",
        "stream": stream,
        "tag": f"{stream}/prod",
        "failing": f"{stream}/broken",
        "events": "/ui/events",
    }
    for name, path in pages.items():
        await browser.open(path)
        await tab.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        for screen in SCREENS:
            await tab.show_on(screen)
            assert await find_problems(tab, screen) == [], f"{name} on {screen.name}"
            await tab.picture(browser.pictures / f"{name}-{screen.name}.png")
    assert tab.complaints == []


async def test_the_checks_see_what_is_wrong(browser: Browser) -> None:
    tab, screen = browser.tab, SCREENS[2]
    await tab.show_on(screen)
    await browser.open("/ui/sign-in")
    await tab.run(
        "document.querySelector('h1').style.color = '#c8c8c8';"
        "document.querySelector('label').remove();"
        "document.querySelector('main').style.width = '500px';"
        "document.querySelector('button').style.height = '12px';"
    )
    found = " ".join(await find_problems(tab, screen))
    for words in ("contrast 1.", "no label", "scrolls sideways", "small target"):
        assert words in found


async def test_a_developer_finds_out_who_moved_a_tag_and_how_to_go_back(browser: Browser) -> None:
    tab, world = browser.tab, browser.world
    await tab.show_on(Screen(1280, 900, scripts=False))
    await browser.sign_in(world.developer)
    overview = await tab.text()
    assert world.shop in overview
    assert world.other not in overview
    assert "1 failing" in overview
    await tab.click(f"main a[href='/ui/streams/{world.shop}/app']")
    assert "The registry has no such image." in await tab.text()
    await tab.click("main a[href$='/app/prod']")
    text = await tab.text()
    for words in ("up to date", "Rolled back", "First image", "by system:admin · oc", "UTC"):
        assert words in text
    # Shortened by the style alone: what is selected and copied is the whole digest.
    digest = "document.querySelector('.timeline .digest')"
    assert await tab.run(f"{digest}.textContent") == world.second
    assert await tab.run(f"{digest}.scrollWidth > {digest}.clientWidth")
    commands = await tab.run("document.querySelector('.timeline').textContent")
    assert f"oc tag {world.shop}/app@{world.second} {world.shop}/app:prod" in commands
    await browser.open(f"/ui/streams/{world.other}/secret-app")
    assert "may not read the image stream" in await tab.text()
    await tab.click("form[action='/ui/sign-out'] button")
    assert "You are signed out." in await tab.text()
    await browser.open(f"/ui/streams/{world.shop}/app")
    assert await tab.run("document.querySelector('#token') !== null")


async def test_events_arrive_without_a_reload(browser: Browser) -> None:
    tab, world = browser.tab, browser.world
    await browser.sign_in(world.developer)
    await browser.open("/ui/events")
    await tab.wait_for("document.querySelector('[data-live-state]').textContent === 'Live'")
    await tab.run("window.sameDocument = true")
    await world.admin.set_tag(world.other, "secret-app", "moved", "ImageStreamTag", "secret-app:1")
    await world.admin.set_tag(
        world.shop, "app", "canary", "ImageStreamImage", f"app@{world.second}"
    )
    short = json.dumps(world.second[:19])
    await tab.wait_for(
        f"document.querySelector('.lines .fresh')?.textContent.includes({short})", _EVENT_S
    )
    await tab.wait_for(
        "[...document.querySelectorAll('.fresh .label')]"
        ".some(label => label.textContent === 'workload updated')",
        _EVENT_S,
    )
    assert await tab.run("window.sameDocument")
    assert "secret-app" not in await tab.text()
    assert tab.complaints == []


async def test_a_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser) -> None:
    tab = browser.tab
    await browser.sign_in(browser.world.viewer)
    seen = []
    for _ in range(9):
        await tab.press("Tab")
        seen.append(
            await tab.run(
                "(e => e.tagName + ':' + (e.textContent.trim() || e.id) + ':' + "
                "getComputedStyle(e).outlineStyle)(document.activeElement)"
            )
        )
    assert seen[0] == "A:Skip to the content:solid"
    assert [entry.rpartition(":")[0] for entry in seen[1:9]] == [
        "A:Tagstream",
        "A:Streams",
        "A:Events",
        "BUTTON:Sign out",
        "INPUT:namespace",
        "INPUT:name",
        "INPUT:failing",
        "BUTTON:Filter",
    ]
    assert all(entry.endswith(":solid") for entry in seen)


async def test_a_link_from_another_site_finds_the_session(browser: Browser) -> None:
    tab, world = browser.tab, browser.world
    await browser.sign_in(world.developer)
    link = f"{world.url}/ui/streams/{world.shop}/app"
    await tab.open(f"data:text/html,<a id=there href='{link}'>there</a>")
    await tab.click("#there")
    await tab.wait_for("document.querySelector('#tags') !== null")
