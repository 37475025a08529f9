"""Signing in and out of the web page, and what becomes of a browser with a stale session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from fakes.page_app import HOST, PageApp, image, open_page_app, tag_of
from tagstream.api.page.session import COOKIE, LIFETIME
from tagstream.events.facts import TagChanged
from tagstream.store.database import Database


@pytest.fixture
async def app(database: Database, tmp_path: Path) -> AsyncIterator[PageApp]:
    async with open_page_app(database, tmp_path) as opened:
        await opened.make_stream("shop", "app", tag_of("prod", image(1)))
        yield opened


@pytest.fixture
async def token(app: PageApp) -> str:
    made = await app.make_token("shop", "developer")
    await app.bind("shop", "developer", "view")
    return made


async def test_a_token_becomes_a_session_that_scripts_and_other_sites_cannot_use(
    app: PageApp, token: str
) -> None:
    first = await app.ask("GET", "/ui/streams/shop/app?page=2")
    assert first.status == 401
    assert 'name="token"' in first.text
    assert 'value="/ui/streams/shop/app?page=2"' in first.text
    answer = await app.sign_in(token, "/ui/streams/shop/app")
    assert (answer.status, answer.headers["location"]) == (303, "/ui/streams/shop/app")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    assert attributes == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    assert token not in cookie
    page = await app.ask("GET", "/ui/streams/shop/app", cookie=f"other=1; {answer.cookie}; x=y")
    assert page.status == 200
    assert "system:serviceaccount:shop:developer" in page.text
    assert 'action="/ui/sign-out"' in page.text


async def test_the_session_opens_the_page_and_not_the_api(app: PageApp, token: str) -> None:
    """Else any site that makes the browser send a request could use the API."""
    cookie = (await app.sign_in(token)).cookie
    path = "/apis/image.openshift.io/v1/namespaces/shop/imagestreams"
    for target in (path, "/api", "/"):
        answer = await app.ask("GET", target, cookie=cookie, accept="application/json")
        assert answer.status == 401
        assert orjson.loads(answer.body)["reason"] == "Unauthorized"


async def test_forms_of_other_sites_are_refused(app: PageApp, token: str) -> None:
    for headers in (
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": f"http://{HOST}"},
        {"origin": "https://tagstream.test"},
        {"origin": ""},
        {"origin": "", "sec_fetch_site": "cross-site"},
        {"origin": "", "sec_fetch_site": "same-site"},
    ):
        answer = await app.sign_in(token, **headers)
        assert answer.status == 403
        assert "set-cookie" not in answer.headers
        assert "sent from another site" in answer.text
        out = await app.ask("POST", "/ui/sign-out", **headers)
        assert out.status == 403
        assert "set-cookie" not in out.headers


async def test_a_browser_without_an_origin_may_say_that_the_form_is_ours(
    app: PageApp, token: str
) -> None:
    answer = await app.sign_in(token, origin="", sec_fetch_site="same-origin")
    assert answer.status == 303


async def test_signing_in_leads_back_to_a_page_of_ours_alone(app: PageApp, token: str) -> None:
    for back in ("/?namespace=a&name=b", "/ui/events", "/"):
        assert (await app.sign_in(token, back)).headers["location"] == back
    for back in (
        "//evil.test/",
        "https://evil.test/",
        "/\\evil.test",
        "/ui/x\r\nset-cookie: a=b",
        "/ui/sign-out",
        "/api",
        "",
    ):
        assert (await app.sign_in(token, back)).headers["location"] == "/"


async def test_wrong_tokens_are_told_what_is_wrong(app: PageApp) -> None:
    expired = await app.make_token("shop", "short", timedelta(minutes=5))
    app.clock.now += timedelta(minutes=6)
    for given, sentence in (
        ("", "Paste a token into the field."),
        ("nonsense", "The token was not issued by this server."),
        ("é" * 10, "The token is not a service account token."),
        ("x" * 9000, "The token is not a service account token."),
        (expired, "The token has expired; ask for a new one."),
    ):
        answer = await app.sign_in(given)
        assert answer.status == 401
        assert sentence in answer.text
        assert "set-cookie" not in answer.headers
        assert given[:100] not in answer.text or not given


async def test_a_form_that_is_too_long_or_none_is_refused(app: PageApp) -> None:
    origin = f"https://{HOST}"
    for body in (b"token=" + b"x" * 40_000, b"&".join([b"a=b"] * 50), "é".encode()):
        answer = await app.post("/ui/sign-in", body, origin=origin)
        assert answer.status == 401
        assert "The form" in answer.text


async def _stale(app: PageApp, cookie: str, sentence: str) -> None:
    for target in ("/", "/ui/streams/shop/app/prod", "/ui/events"):
        answer = await app.ask("GET", target, cookie=cookie)
        assert answer.status == 401
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.text.count('role="alert"') == 1
        assert sentence in answer.text
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert f'value="{target}"' in answer.text
    assert (await app.ask("GET", "/ui/live", cookie=cookie)).status == 401


async def test_a_session_ends_after_its_time(app: PageApp, token: str) -> None:
    cookie = (await app.sign_in(token)).cookie
    app.clock.now += LIFETIME - timedelta(minutes=1)
    assert (await app.ask("GET", "/", cookie=cookie)).status == 200
    app.clock.now += timedelta(minutes=2)
    await _stale(app, cookie, "Your session ended after 12 hours; sign in again.")


async def test_a_session_ends_with_its_token(app: PageApp) -> None:
    cookie = (await app.sign_in(await app.make_token("shop", "short", timedelta(hours=1)))).cookie
    app.clock.now += timedelta(hours=2)
    await _stale(app, cookie, "Your session is over: its token has expired")


async def test_a_session_ends_with_its_account(app: PageApp, token: str) -> None:
    cookie = (await app.sign_in(token)).cookie
    await app.remove("", "serviceaccounts", "shop", "developer")
    await app.api.policies.refresh()
    await _stale(app, cookie, "its token belongs to a service account that does not exist")


async def test_a_cookie_of_other_keys_or_of_nobody_opens_nothing(app: PageApp, token: str) -> None:
    cookie = (await app.sign_in(token)).cookie
    for value in (
        f"{COOKIE}=nonsense",
        f"{COOKIE}=AAAA",
        cookie[:-8] + "AAAAAAA=",
        f'{COOKIE}="\\"',
        f"{COOKIE}={token}",
    ):
        await _stale(app, value, "Your session is not valid any more; sign in again.")


async def test_signing_out_takes_the_cookie_away(app: PageApp, token: str) -> None:
    cookie = (await app.sign_in(token)).cookie
    out = await app.ask("POST", "/ui/sign-out", origin=f"https://{HOST}", cookie=cookie)
    assert out.status == 303
    assert out.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0")
    page = await app.ask("GET", out.headers["location"])
    assert page.status == 200
    assert "You are signed out." in page.text


async def test_live_updates_end_with_the_session(app: PageApp, token: str) -> None:
    cookie = (await app.sign_in(token)).cookie
    async with app.live("/ui/live", cookie=cookie) as live:
        await live.wait_for("retry")
        await app.remove("", "serviceaccounts", "shop", "developer")
        await app.api.policies.refresh()
        await app.emit(
            TagChanged(namespace="shop", stream="app", tag="later", new_image="sha256:1")
        )
        await live.wait_for("event: over")
        assert "later" not in live.text


async def test_a_link_on_another_site_finds_the_session(app: PageApp, token: str) -> None:
    """SameSite=Strict keeps the cookie back: the page loads itself again, as its own."""
    from_elsewhere = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    first = await app.ask("GET", "/ui/streams/shop/app", **from_elsewhere)
    assert first.status == 200
    assert '<meta http-equiv="refresh" content="0">' in first.text
    assert image(1).digest not in first.text
    again = await app.ask("GET", "/ui/streams/shop/app", sec_fetch_site="same-origin")
    assert again.status == 401


async def test_a_bearer_token_in_the_request_counts_before_a_session(
    app: PageApp, token: str
) -> None:
    cookie = (await app.sign_in(token)).cookie
    other = await app.make_token("other", "somebody")
    page = await app.get("/", other, cookie=cookie)
    assert "system:serviceaccount:other:somebody" in page.text
    assert "sign-out" not in page.text
    wrong = await app.get("/", "wrong", cookie=cookie)
    assert wrong.status == 401
    assert "The credentials of this request are not accepted." in wrong.text
