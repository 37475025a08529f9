"""What the web page shows and how it is sent: escaping, headers, JSON clients, big streams."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from fakes.page_app import REGISTRY, PageApp, image, open_page_app, tag_of
from tagstream.events.facts import ImportFailed, TagChanged
from tagstream.events.message import TagResult
from tagstream.store.database import Database
from tagstream.store.workload_triggers import IndexedTrigger, IndexedWorkload, save_workload
from tagstream.streams.imports import ImportFailure

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028\r\ndata: x"
# Names that no write accepts, as a later bug might let them in. A slash would end the path.
HOSTILE_NAME = HOSTILE.replace("/", "|")
RENAME = (
    "UPDATE streams SET name = $1 WHERE name = 'renamed'",
    "UPDATE spec_tags SET tag = $1, body = jsonb_set(body, '{from,name}', to_jsonb($1::text)) "
    "WHERE tag = 'renamed'",
    "UPDATE tag_items SET tag = $1, image = $1, reference = $1 WHERE tag = 'renamed'",
)
PAGES = ("/", "/ui/streams/shop/app", "/ui/streams/shop/app/prod", "/ui/events")


@pytest.fixture
async def app(database: Database, tmp_path: Path) -> AsyncIterator[PageApp]:
    async with open_page_app(database, tmp_path) as opened:
        await opened.make_stream("shop", "app", tag_of("prod", image(1)))
        yield opened


@pytest.fixture
async def token(app: PageApp) -> str:
    made = await app.make_token("shop", "viewer")
    await app.bind("shop", "viewer", "cluster-reader", everywhere=True)
    return made


class Outline(HTMLParser):
    """The elements of a page and what is wrong with them."""

    _VOID = frozenset({"meta", "link", "input", "option", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.inline: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = dict(attrs)
        self.inline += [name for name in names if name.startswith("on") or name == "style"]
        if tag == "script" and not (names.get("src") or "").startswith("/ui/static/"):
            self.inline.append("script")
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"


async def test_every_page_is_sealed_off_and_kept_by_nobody(app: PageApp, token: str) -> None:
    signed_in = [await app.get(path, token) for path in PAGES]
    for answer in (*signed_in, await app.ask("GET", "/"), await app.ask("GET", "/ui/sign-in")):
        headers = answer.headers
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
            assert part in policy
        assert "unsafe" not in policy
        outline = Outline(answer.text)
        assert outline.inline == []
        assert outline.open == []
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//', answer.text) == []


async def test_hostile_names_and_messages_are_text(app: PageApp, token: str) -> None:
    failure = ImportFailure("NotFound", HOSTILE)
    await app.move("shop", "app", tag_of("prod", image(2)), actor=HOSTILE, cause=HOSTILE)
    await app.move("shop", "app", tag_of("prod", failure))
    await app.make_stream("shop", "renamed", tag_of("renamed", image(3)))
    trigger = IndexedTrigger(HOSTILE, HOSTILE, "shop", "app", "prod", False, HOSTILE)
    key = ("default", "apps/v1", "Deployment", "shop", HOSTILE)
    async with app.database.connection() as connection:
        await save_workload(connection, IndexedWorkload(key, "u", "1", {}), (trigger,), app.clock())
        for statement in RENAME:
            await connection.execute(statement, HOSTILE_NAME)
    result = TagResult(tag=HOSTILE, reason=HOSTILE, message=HOSTILE)
    await app.emit(
        ImportFailed(namespace="shop", stream=HOSTILE, host=HOSTILE, results=(result,)),
        TagChanged(namespace="shop", stream=HOSTILE, tag=HOSTILE, new_image=HOSTILE),
    )
    stream = f"/ui/streams/shop/{HOSTILE_NAME}"
    odd = ("/?namespace=%3Cscript%3E&name=%22onload", "/ui/%3Cscript%3E", f"{stream}/x")
    for path in (*PAGES, stream, f"{stream}/{HOSTILE_NAME}", *odd):
        answer = await app.get(path, token)
        assert answer.status == (404 if path in odd[1:] else 200)
        text = answer.text
        outline = Outline(text)
        assert outline.inline == []
        assert "img" not in outline.tags
        assert outline.open == []


async def test_hostile_facts_stay_one_event_each(app: PageApp, token: str) -> None:
    async with app.live("/ui/live", authorization=f"Bearer {token}") as live:
        await live.wait_for("retry")
        await app.emit(
            TagChanged(namespace="shop", stream="app", tag=HOSTILE, new_image="sha256:1")
        )
        await live.wait_for("</li>")
    frame = live.text.partition("id: ")[2]
    lines = frame.splitlines()
    assert all(line.startswith(("data: ", ":")) for line in lines[1:] if line)
    html = "\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
    outline = Outline(html)
    assert (outline.inline, outline.open) == ([], [])
    assert "img" not in outline.tags


async def test_clients_of_kubernetes_get_what_they_always_got(app: PageApp, token: str) -> None:
    for accept in ("application/json", "application/json, */*", "*/*", ""):
        page_less = await app.get("/", token, accept=accept)
        assert page_less.headers["content-type"] == "application/json"
        assert orjson.loads(page_less.body)["kind"] == "Status"
    assert (await app.get("/healthz", token)).text == "ok"
    api = await app.get("/api", token, accept="application/json")
    assert orjson.loads(api.body)["kind"] == "APIVersions"
    stream = "/apis/image.openshift.io/v1/namespaces/shop/imagestreams/app"
    assert orjson.loads((await app.get(stream, token)).body)["kind"] == "ImageStream"


async def test_a_history_tells_when_who_why_and_how_to_go_back(app: PageApp, token: str) -> None:
    for number, (actor, cause) in enumerate((("ann", "oc"), ("tag-tracker", "scheduled import"))):
        app.clock.now += timedelta(hours=1)
        await app.move("shop", "app", tag_of("prod", image(number + 2)), actor=actor, cause=cause)
    app.clock.now += timedelta(minutes=5)
    failure = ImportFailure("Unauthorized", "you may not have access to the container image")
    await app.move("shop", "app", tag_of("prod", failure), actor="tag-tracker", cause="import")
    text = (await app.get("/ui/streams/shop/app/prod", token)).text
    for words in ('by <span class="actor">ann</span> · oc', "scheduled import", "tester"):
        assert words in text
    assert text.index(image(3).digest) < text.index(image(2).digest)
    assert f"oc tag shop/app@{image(1).digest} shop/app:prod" in text
    assert f"oc tag shop/app@{image(3).digest}" not in text
    assert "it is private, or it does not exist" in text
    assert "you may not have access to the container image" in text
    assert "2 moves" not in text
    stream = (await app.get("/ui/streams/shop/app", token)).text
    assert "Import fails:" in stream
    assert "1 failing" in (await app.get("/", token)).text


async def test_long_lists_and_histories_go_on(app: PageApp, token: str) -> None:
    tags = [tag_of(f"t{number:03}", image(number)) for number in range(250)]
    await app.make_stream("shop", "many", *tags)
    first = (await app.get("/ui/streams/shop/many", token)).text
    assert "1–100 of 250 tags" in first
    assert "/ui/streams/shop/many/t099" in first
    last = (await app.get("/ui/streams/shop/many?page=3", token)).text
    assert "201–250 of 250 tags" in last
    assert 'rel="next"' not in last
    for odd in ("0", "-1", "99999999999999999999", "x", "²"):
        assert (await app.get(f"/ui/streams/shop/many?page={odd}", token)).status == 200
    found = (await app.get("/ui/streams/shop/many?name=t24", token)).text
    assert "1–10 of 10 tags" in found
    for number in range(40):
        await app.move("shop", "app", tag_of("prod", image(number + 10)))
    seen: set[str] = set()
    path = "/ui/streams/shop/app/prod"
    for _ in range(5):
        text = (await app.get(path, token)).text
        seen |= set(re.findall(r"to</dt><dd><code[^>]*>(sha256:\w+)", text))
        older = re.search(r'href="([^"]+)">Older', text)
        if older is None:
            break
        path = older[1]
    assert seen == {image(number).digest for number in (1, *range(10, 50))}


async def test_two_thousand_tags_are_answered_at_once(app: PageApp, token: str) -> None:
    tags = [tag_of(f"t{number:04}", image(number)) for number in range(2000)]
    await app.make_stream("shop", "big", *tags)
    await app.get("/ui/streams/shop/big", token)
    took_s: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        answer = await app.get("/ui/streams/shop/big", token)
        took_s.append(time.perf_counter() - started)
        assert "1–100 of 2000 tags" in answer.text
    # The one that nothing else on the machine held up.
    assert min(took_s) < 0.3


async def test_followers_say_whether_they_are_up_to_date(app: PageApp, token: str) -> None:
    wanted = image(1).docker_image_reference
    rows = (
        ("current", "web", wanted, False, 0),
        ("late", "web", "quay.test/app:old", False, 0),
        ("stuck", "web", "quay.test/app:old", False, 3),
        ("resting", "web", "quay.test/app:old", True, 0),
        ("lost", "", "", False, 0),
    )
    async with app.database.connection() as connection:
        for name, container, has, paused, failures in rows:
            trigger = IndexedTrigger("p", container, "shop", "app", "prod", paused, has)
            key = ("default", "apps/v1", "Deployment", "shop", name)
            await save_workload(
                connection, IndexedWorkload(key, name, "1", {}), (trigger,), app.clock()
            )
            await connection.execute(
                "UPDATE workload_triggers SET failures = $1 WHERE name = $2", failures, name
            )
    text = (await app.get("/ui/streams/shop/app/prod", token)).text
    states = re.findall(r'class="state (\w+)">([^<]+)<', text)
    assert states == [
        ("good", "up to date"),
        ("quiet", "behind: being updated"),
        ("bad", "names a container that does not exist"),
        ("quiet", "paused, behind"),
        ("bad", "behind: 3 failed patches, given up until something changes"),
    ]


async def test_files_are_kept_for_ever_under_their_own_address(app: PageApp, token: str) -> None:
    text = (await app.get("/", token)).text
    found = re.findall(r'"(/ui/static/[^"]+)"', text)
    assert len(set(found)) == 3
    for address in found:
        answer = await app.ask("GET", address)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        older = await app.ask("GET", address.partition("?")[0] + "?v=old")
        assert older.headers["cache-control"] == "no-cache"
    for wrong in ("../page.css", "page.html", "", "%2e%2e/routes.py"):
        assert (await app.ask("GET", f"/ui/static/{wrong}")).status == 404


async def test_what_is_not_there_is_said_in_a_page(app: PageApp, token: str) -> None:
    for path in ("/ui/", "/ui/streams/shop", "/ui/streams/shop/none", "/ui/streams/shop/app/none"):
        answer = await app.get(path, token)
        assert answer.status == 404
        assert "<h1>Not found</h1>" in answer.text
    assert (await app.ask("DELETE", "/ui/events")).status == 405
    assert (await app.ask("PUT", "/ui/sign-in")).status == 405


async def test_a_database_that_is_away_is_said_in_a_page(app: PageApp, token: str) -> None:
    await app.get("/", token)
    await app.database.close()
    answer = await app.get("/", token)
    assert answer.status in (500, 503)
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>Not now</h1>" in answer.text


async def test_an_empty_cluster_says_how_to_begin(app: PageApp, token: str) -> None:
    await app.delete("shop", "app")
    text = (await app.get("/", token)).text
    assert "There are no image streams yet." in text
    assert REGISTRY not in text
