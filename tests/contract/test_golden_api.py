"""Bare requests that a real OpenShift API server answered, replayed against a running stack.

Some requests between the recorded ones are not in the recording; what they did to the objects shows
in later answers, and `_UNRECORDED` does the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fakes.golden_replay import Replay
from fakes.golden_session import check_case, replay_cases, require_recordings
from fakes.recorded_images import RECORDED_REGISTRY
from fakes.recordings import load_api_cases
from fakes.registry import FakeRegistry
from fakes.replaying import check_replay_of
from fakes.stack import Stack

CASES = load_api_cases()
_STREAMS = "/apis/image.openshift.io/v1/namespaces/goldraw"
EXPECTED_FAILURES: Mapping[str, str] = {}

pytestmark = pytest.mark.xdist_group("stack")


def _source(name: str, tag: str, **policy: bool) -> dict[str, Any]:
    source = {"kind": "DockerImage", "name": f"{RECORDED_REGISTRY}/story/{name}"}
    return {"from": source, "to": {"name": tag}, "importPolicy": policy}


def _import(replay: Replay, stream: str, *images: dict[str, Any]) -> None:
    spec = {"import": True, "images": list(images)}
    body = {"kind": "ImageStreamImport", "metadata": {"name": stream}, "spec": spec}
    replay.post(f"{_STREAMS}/imagestreamimports", {**_API_VERSION, **body})


def _create_whole_repository(replay: Replay) -> None:
    metadata = {
        "name": "whole",
        "annotations": {"openshift.io/image.insecureRepository": "true"},
    }
    spec = {"dockerImageRepository": f"{RECORDED_REGISTRY}/story/python"}
    body = {"kind": "ImageStream", "metadata": metadata, "spec": spec}
    replay.post(f"{_STREAMS}/imagestreams", {**_API_VERSION, **body})


def _import_one_that_is_missing(replay: Replay) -> None:
    found = _source("python:3.6", "2", insecure=True)
    _import(replay, "app", found, _source("nothere:1", "3", insecure=True))


def _import_securely(replay: Replay) -> None:
    _import(replay, "sec", _source("python:3.5", "1"))


def _tag_nothing(replay: Replay) -> None:
    source = {"kind": "ImageStreamTag", "name": "app:nope"}
    metadata = {"name": "app:viaput2", "namespace": "goldraw"}
    tag = {"name": "viaput2", "from": source}
    body = {"kind": "ImageStreamTag", "metadata": metadata, "tag": tag}
    replay.put(f"{_STREAMS}/imagestreamtags/app:viaput2", {**_API_VERSION, **body})


_API_VERSION = {"apiVersion": "image.openshift.io/v1"}
_UNRECORDED = {
    "create-dup-tags": _create_whole_repository,
    "import-again": _import_one_that_is_missing,
    "import-repo": _import_securely,
    "put-istag-new": _tag_nothing,
}


@pytest.fixture(scope="session")
def replayed_requests(request: pytest.FixtureRequest) -> Mapping[str, list[str]]:
    """The differences of each case, after all of them were replayed in order."""
    require_recordings()
    stack: Stack = request.getfixturevalue("stack")
    registry: FakeRegistry = request.getfixturevalue("golden_registry")
    return replay_cases(stack, registry, CASES, "goldraw", _UNRECORDED, images_known=True)


def test_the_recorded_requests_are_at_hand() -> None:
    require_recordings()


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_a_request_is_answered_as_openshift_does(
    replayed_requests: Mapping[str, list[str]], name: str
) -> None:
    check_case(replayed_requests, name, EXPECTED_FAILURES)


def test_all_that_they_did_replays_byte_for_byte(
    replayed_requests: Mapping[str, list[str]], stack: Stack
) -> None:
    summary = asyncio.run(check_replay_of(stack.postgres_url))
    assert min(summary.commands, summary.changes, summary.facts, summary.streams) > 0
