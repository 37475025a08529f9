"""The comparison with recorded exchanges: what it lets pass, and what it must not."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from fakes.golden_compare import differences
from fakes.golden_names import Names
from fakes.golden_replay import Answer, compare_answer, recorded_answer_body, request_bytes
from fakes.recorded_images import (
    RECORDED_REGISTRY,
    ImageRoles,
    serve_recorded_images,
)
from fakes.recordings import Case, Exchange, load_api_cases, load_oc_cases
from fakes.registry import FakeRegistry
from tagstream.api.wire.k8s_protobuf import decode_protobuf

CASES = (*load_oc_cases("abcdefg"), *load_api_cases())
needs_recordings = pytest.mark.skipif(not CASES, reason="no recordings beside the clone")


def _names() -> Names:
    return Names({"golden3": "gabcdef"}, ImageRoles())


@pytest.fixture(scope="module")
def names() -> Names:
    roles = serve_recorded_images(FakeRegistry(), CASES)
    words = {RECORDED_REGISTRY: "127.0.0.1:5000", "golden3": "gabcdef", "goldraw": "gfedcba"}
    return Names(words, roles)


def _answer(exchange: Exchange, names: Names) -> Answer:
    """What a faithful server with other uids, versions and times would answer."""
    body = _another_run(names.expected(copy.deepcopy(recorded_answer_body(exchange))))
    headers = {
        **{key: names.text(value) for key, value in exchange.response_headers.items()},
        "content-type": exchange.content_type,
    }
    return Answer(exchange.status, exchange.content_type, headers, body)


def _another_run(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _another_run(child, name) for name, child in node.items()}
    if isinstance(node, list):
        return [_another_run(child) for child in node]
    if key == "uid":
        return f"u-{node}"
    if key == "resourceVersion" and node.isdigit():
        return str(int(node) + 7)
    return re.sub(r"2026-11-23T04:", "2027-01-01T05:", node) if isinstance(node, str) else node


@needs_recordings
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_faithful_server_shows_no_difference(case: Case, names: Names) -> None:
    for exchange in case.exchanges:
        assert compare_answer(exchange, _answer(exchange, names), names) == []


@needs_recordings
def test_protobuf_requests_keep_their_meaning(names: Names) -> None:
    for case in CASES:
        for exchange in case.exchanges:
            if str(exchange.request_body).startswith("base64:"):
                sent = request_bytes(exchange.request_body, names)
                assert sent is not None
                assert "golden3" not in str(decode_protobuf(sent))


def test_a_changed_value_is_told_with_its_path() -> None:
    told = differences({"spec": {"tags": [{"name": "1"}]}}, {"spec": {"tags": [{}]}}, _names())
    assert told == [".spec.tags[0].name: expected 1, got (absent)"]


def test_a_uid_that_changes_between_two_answers_is_told() -> None:
    names = _names()
    assert differences({"uid": "a"}, {"uid": "1"}, names) == []
    assert differences({"uid": "a"}, {"uid": "2"}, names) != []


def test_a_version_that_should_not_have_moved_is_told() -> None:
    names = _names()
    recorded = {"metadata": {"resourceVersion": "16589"}}
    assert differences(recorded, {"metadata": {"resourceVersion": "5"}}, names) == []
    assert differences(recorded, {"metadata": {"resourceVersion": "6"}}, names) != []


@pytest.mark.parametrize(
    ("recorded", "ours"), [(True, 1), (None, ""), ([], None), ("1", 1), ({"a": None}, {})]
)
def test_types_and_nulls_count(recorded: Any, ours: Any) -> None:
    assert differences({"x": recorded}, {"x": ours}, _names()) != []


def test_ages_in_cells_may_differ_but_must_be_ages() -> None:
    row = {"rows": [{"cells": ["app", "1 second ago"]}]}
    assert differences(row, {"rows": [{"cells": ["app", "3 minutes ago"]}]}, _names()) == []
    assert differences(row, {"rows": [{"cells": ["app", ""]}]}, _names()) != []
