"""The words of the web page: why imports fail, what facts say, how followers and moves are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tagstream.api.page.addresses import parse_object_path, safe_return, stream_path, tag_path
from tagstream.api.page.fact_lines import Tone, describe_fact, short_digest
from tagstream.api.page.import_words import explain_failure
from tagstream.api.page.paging import choose_page
from tagstream.api.page.rendering import describe_age
from tagstream.api.page.tag_views import view_followers, view_moves, view_source
from tagstream.events.facts import FACTS
from tagstream.store.tag_followers import TagFollower
from tagstream.store.tag_moves import Act, HistoryItem, list_moves
from tagstream.streams.image_stream import ImportPolicy, TagReference, TagSource

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIGEST = f"sha256:{'ab' * 32}"
OTHER = f"sha256:{'cd' * 32}"


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        ("NotFound", 'dockerimage.image.openshift.io "quay.io/a:b" not found', "no such image"),
        ("Forbidden", "forbidden: registry quay.io blocked", "blocks the registry"),
        ("Forbidden", "no", "does not let us read"),
        ("Unauthorized", 'incorrect username or password for image "a"', "refused the user name"),
        ("Unauthorized", "you may not have access to the container image", "private"),
        ("InternalError", "x509: certificate signed by unknown authority", "not trusted here"),
        ("InternalError", "x509: certificate has expired or is not yet valid", "expired"),
        ("InternalError", "x509: certificate is not valid for quay.io", "not valid for its name"),
        ("InternalError", "http: server gave HTTP response to HTTPS client", "plain HTTP"),
        ("InternalError", "dial tcp: lookup quay.invalid: no such host", "no host"),
        ("InternalError", "dial tcp 127.0.0.1:1: connect: connection refused", "Nothing answers"),
        ("InternalError", "toomanyrequests: too many requests", "fewer requests"),
        ("InternalError", 'Get "https://quay.io/v2/": context deadline exceeded', "in time"),
        ("InternalError", "connect: no route to host", "cannot be reached"),
        ("InternalError", "received unexpected HTTP status: 502 Bad Gateway", "fails"),
        ("InternalError", 'Get "https://quay.io/v2/": EOF', "broke off"),
        ("InternalError", "something else", "no name of its own"),
        ("", "", "no name of its own"),
    ],
)
def test_a_failed_import_is_explained(reason: str, message: str, words: str) -> None:
    explanation = explain_failure(reason, message)
    assert words in explanation.what
    for sentence in (explanation.what, explanation.help):
        assert sentence.endswith(".")


def test_every_fact_has_words_of_its_own() -> None:
    labels = set()
    for event_type in FACTS:
        line = describe_fact(7, event_type, NOW, {"namespace": "shop", "actor": "ann"})
        assert "." not in line.label
        assert line.by == "ann"
        labels.add(line.label)
    assert len(labels) == len(FACTS)


def test_facts_say_what_happened() -> None:
    moved = {"oldImage": DIGEST, "newImage": OTHER, "actor": "ann", "cause": "oc"}
    line = describe_fact(1, "dev.tagstream.tag.changed.v1", NOW, moved)
    assert line.text == "from sha256:abababababab to sha256:cdcdcdcdcdcd"
    assert line.by == "ann (oc)"
    results = [{"tag": f"t{n}", "reason": "NotFound", "message": "not found"} for n in range(5)]
    failed = {"host": "quay.io", "results": results}
    line = describe_fact(1, "dev.tagstream.import.failed.v1", NOW, failed)
    assert line.text == "t0, t1, t2 and 2 more from quay.io: The registry has no such image."
    assert line.tone is Tone.BAD
    half = {"host": "quay.io", "results": [{"tag": "a", "digest": DIGEST}, {"tag": "b"}]}
    line = describe_fact(1, "dev.tagstream.import.completed.v1", NOW, half)
    assert line.text == "a from quay.io; failed: b"


def test_a_fact_of_a_later_release_is_shown_by_its_type() -> None:
    line = describe_fact(1, "dev.tagstream.tag.sealed.v2", NOW, {"results": "odd", "actor": 3})
    assert (line.label, line.text, line.by) == ("tag.sealed", "", "")


def test_digests_are_shortened_and_nothing_else() -> None:
    assert short_digest(DIGEST) == "sha256:abababababab"
    assert short_digest(f"quay.io/a@{DIGEST}") == "quay.io/a@sha256:abababababab"
    assert short_digest("quay.io/a:v1") == "quay.io/a:v1"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (9, "just now"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_ages_have_one_unit(seconds: int, words: str) -> None:
    assert describe_age(NOW - timedelta(seconds=seconds), NOW) == words


def test_addresses_hold_any_name() -> None:
    assert stream_path("shop", "a b?") == "/ui/streams/shop/a%20b%3F"
    assert tag_path("shop", "app", "v1.0#x") == "/ui/streams/shop/app/v1.0%23x"
    assert parse_object_path("/ui/streams/shop/app/v1.0#x") == ("shop", "app", "v1.0#x")
    for path in ("/ui/streams/shop", "/ui/streams//app", "/ui/streams/a/b/c/d", "/ui/events"):
        assert parse_object_path(path) is None
    assert safe_return("/ui/sign-in?out=1") == "/"


def test_pages_are_never_beyond_the_end() -> None:
    for asked, page in (("", 1), ("3", 3), ("99", 3), ("0", 1), ("-1", 1), ("x", 1)):
        assert choose_page(250, asked, 100, "/", {}).page == page
    empty = choose_page(0, "5", 100, "/", {})
    assert (empty.page, empty.first, empty.last, empty.pages) == (1, 0, 0, 1)
    third = choose_page(250, "3", 100, "/x", {"name": "a&b", "failing": ""})
    assert (third.first, third.last) == (201, 250)
    assert third.address(2) == "/x?name=a%26b&page=2"
    assert third.address(1) == "/x?name=a%26b"


def test_sources_are_told_in_words() -> None:
    def view(kind: str, name: str, namespace: str = "") -> tuple[str, str, str]:
        reference = TagReference("t", TagSource(kind, name, namespace))
        seen = view_source("shop", "app", reference)
        return seen.words, seen.name, seen.path

    assert view("DockerImage", "quay.io/a:1") == ("imported from", "quay.io/a:1", "")
    assert view("ImageStreamTag", "2") == ("follows", "2", "/ui/streams/shop/app/2")
    there = view("ImageStreamTag", "base:1", "tools")
    assert there == ("follows", "tools/base:1", "/ui/streams/tools/base/1")
    pinned = view("ImageStreamImage", f"app@{DIGEST}")
    assert pinned == ("pinned to", "app@sha256:abababababab", "")
    assert view_source("shop", "app", None).words == "set by push or by hand"
    assert view_source("shop", "app", TagReference("t")).path == ""
    assert view("ImageStreamTag", "a:b:c")[2] == ""
    policy = ImportPolicy(insecure=True, scheduled=True)
    imported = TagReference("t", TagSource("DockerImage", "quay.io/a:1"), import_policy=policy)
    seen = view_source("shop", "app", imported)
    assert (seen.scheduled, seen.insecure) == (True, True)


def follower(**more: object) -> TagFollower:
    values: dict[str, object] = {
        "cluster": "default",
        "api_version": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "field_path": "spec",
        "container": "web",
        "image": "old",
        "paused": False,
        "failures": 0,
        "retry_at": None,
        "observed_at": NOW,
    }
    return TagFollower(**{**values, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "wanted", "pauses", "state"),
    [
        ({"image": "new"}, "new", (), "up to date"),
        ({"image": "new", "paused": True}, "new", (), "up to date"),
        ({}, "new", (), "behind: being updated"),
        ({}, "new", ("all",), "paused, behind"),
        ({}, "new", ("namespace.shop",), "paused, behind"),
        ({}, "new", ("namespace.other",), "behind: being updated"),
        ({"failures": 2, "retry_at": NOW}, "new", (), "behind: 2 failed patches, tried again soon"),
        ({}, "", (), "waits for the tag's first image"),
        ({"container": ""}, "new", (), "names a container that does not exist"),
    ],
)
def test_followers_say_where_they_are(
    more: dict[str, object], wanted: str, pauses: tuple[str, ...], state: str
) -> None:
    (view,) = view_followers([follower(**more)], wanted, frozenset(pauses))
    assert view.state == state


def item(seq: int, image: str, retired: Act | None = None) -> HistoryItem:
    made = Act(f"c{seq}", seq, NOW + timedelta(minutes=seq), "put", "ann", "oc")
    return HistoryItem("u", seq, NOW, image, f"quay.io/a@{image}", 1, made, retired)


def test_only_images_that_oc_still_finds_can_be_rolled_back_to() -> None:
    pruned = Act("p", 9, NOW + timedelta(hours=1), "prune.items", "pruner", "schedule")
    items = [item(4, DIGEST), item(3, OTHER), item(2, DIGEST), item(1, "sha256:gone", pruned)]
    views = view_moves("shop", "app", "prod", list_moves(items), items[0])
    assert [view.is_current for view in views] == [True, False, False, False]
    commands = [view.command for view in views]
    assert commands == ["", f"oc tag shop/app@{OTHER} shop/app:prod", "", ""]
    assert views[0].words == "Rolled back"
    assert views[3].note == "pruned since"
