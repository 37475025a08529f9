"""Paths, verbs, continue tokens and options of the REST engine."""

from __future__ import annotations

from typing import cast

import pytest

from tagstream.api.engine.continue_token import decode_continue, encode_continue
from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.engine.options import parse_duration_s, parse_version
from tagstream.api.engine.routing import Registry, Target, parse_target
from tagstream.api.engine.storage import Storage
from tagstream.api.engine.verbs import choose_verb
from tagstream.api.engine.writing import name_suffix
from tagstream.api.wire.status import ApiError

PODS = Kind(
    "", "v1", "pods", "Pod", "pod", True, subresources=(Subresource("status", "Pod", ("get",)),)
)
IMPORTS = Kind("image.openshift.io", "v1", "imports", "Import", "import", True, ("create",))
NODES = Kind("", "v1", "nodes", "Node", "node", False)


def registry() -> Registry:
    made = Registry()
    for kind in (PODS, IMPORTS, NODES):
        made.register(kind, cast(Storage, object()))
    return made


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target("", "v1", "pods")),
        ("/api/v1/namespaces", Target("", "v1", "namespaces")),
        ("/api/v1/namespaces/a", Target("", "v1", "namespaces", "", "a")),
        ("/api/v1/namespaces/a/finalize", Target("", "v1", "namespaces", "", "a", "finalize")),
        ("/api/v1/namespaces/a/pods/", Target("", "v1", "pods", "a")),
        ("/api/v1/watch/namespaces/a/pods/x", Target("", "v1", "pods", "a", "x", watch=True)),
        (
            "/apis/apps/v1/namespaces/a/sets/x/scale",
            Target("apps", "v1", "sets", "a", "x", "scale"),
        ),
        ("/apis/i/v1/namespaces/a/tags/app%3A1", Target("i", "v1", "tags", "a", "app:1")),
        (
            "/apis/i/v1/namespaces/a/images/app@sha256:0",
            Target("i", "v1", "images", "a", "app@sha256:0"),
        ),
        ("/apis/user.openshift.io/v1/users/~", Target("user.openshift.io", "v1", "users", "", "~")),
    ],
)
def test_a_path_names_its_target(path: str, target: Target) -> None:
    assert parse_target(path) == target


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis", "/apis/apps/v1", "/openapi/v3"])
def test_discovery_names_no_resource(path: str) -> None:
    assert parse_target(path) is None


@pytest.mark.parametrize("path", ["/api/v1/a/b/c/d", "/api/v1//pods", "/api/v1/watch//x"])
def test_a_path_that_nothing_can_be_at_is_not_found(path: str) -> None:
    with pytest.raises(ApiError, match="could not find"):
        parse_target(path)


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        ("GET", "/api/v1/pods", {}, "list"),
        ("GET", "/api/v1/pods", {"watch": "1"}, "watch"),
        ("GET", "/api/v1/watch/pods", {}, "watch"),
        ("GET", "/api/v1/namespaces/a/pods/x", {"watch": "1"}, "get"),
        ("POST", "/api/v1/namespaces/a/pods", {}, "create"),
        ("DELETE", "/api/v1/namespaces/a/pods", {}, "deletecollection"),
        ("GET", "/api/v1/namespaces/a/pods/x/status", {}, "get"),
        ("POST", "/api/v1/nodes", {}, "create"),
    ],
)
def test_method_and_path_make_the_verb(
    method: str, path: str, query: dict[str, str], verb: str
) -> None:
    target = parse_target(path)
    assert target is not None
    assert choose_verb(method, target, registry().find(target), query) == verb


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/v1/pods", 405),
        ("PUT", "/api/v1/namespaces/a/pods", 405),
        ("PATCH", "/api/v1/namespaces/a/pods/x/status", 405),
        ("DELETE", "/apis/image.openshift.io/v1/namespaces/a/imports/x", 404),
        ("GET", "/apis/image.openshift.io/v1/namespaces/a/imports", 405),
        ("GET", "/api/v1/namespaces/a/nodes/x", 404),
        ("GET", "/api/v1/pods/x", 404),
        ("GET", "/api/v1/namespaces/a/pods/x/log", 404),
        ("GET", "/api/v2/pods", 404),
    ],
)
def test_what_is_not_offered_is_refused(method: str, path: str, code: int) -> None:
    target = parse_target(path)
    assert target is not None
    with pytest.raises(ApiError) as refused:
        choose_verb(method, target, registry().find(target), {})
    assert refused.value.code == code


def test_a_continue_token_has_kubernetes_form_and_comes_back() -> None:
    token = encode_continue(("goldraw", "app"), 16608, "goldraw")
    assert token == "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTY2MDgsInN0YXJ0IjoiL2FwcFx1MDAwMCJ9"
    assert decode_continue(token, "goldraw") == (("goldraw", "app"), 16608)
    everywhere = encode_continue(("a", "b"), 7, "")
    assert decode_continue(everywhere, "") == (("a", "b"), 7)


@pytest.mark.parametrize("token", ["x", "e30", "W10", "bnVsbA", "é"])
def test_a_made_up_continue_token_is_a_bad_request(token: str) -> None:
    with pytest.raises(ApiError, match="continue key is not valid"):
        decode_continue(token, "")


def test_durations_are_those_of_go() -> None:
    assert parse_duration_s("1m30.5s") == 90.5
    assert parse_duration_s("100ms") == pytest.approx(0.1)
    for wrong in ("10", "s", "1x", "-1s", "1s "):
        with pytest.raises(ApiError):
            parse_duration_s(wrong)


def test_a_version_is_a_decimal_number() -> None:
    assert parse_version("") == 0
    assert parse_version("17") == 17
    for wrong in ("-1", "1.0", "abc", "٣", "9" * 30):
        with pytest.raises(ApiError):
            parse_version(wrong)


def test_generated_suffixes_follow_from_the_request_alone() -> None:
    request_id = "8f3bafe1-dbfe-4628-8c84-3c8505cf4eaa"
    assert name_suffix(request_id, 0) == name_suffix(request_id, 0)
    assert name_suffix(request_id, 0) != name_suffix(request_id, 1)
    assert len(name_suffix(request_id, 0)) == 5
