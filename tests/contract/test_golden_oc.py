"""What the real `oc` sent, replayed against a running stack and held against OpenShift's answers.

Some commands between the recorded ones are not in the recording; what they did to the objects shows
in later answers, and `_UNRECORDED` does the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from fakes.golden_replay import Replay
from fakes.golden_session import check_case, replay_cases, require_recordings
from fakes.recorded_images import RECORDED_REGISTRY
from fakes.recordings import load_oc_cases
from fakes.registry import FakeRegistry
from fakes.replaying import check_replay_of
from fakes.stack import Stack

CASES = load_oc_cases("abcdefg")
EXPECTED_FAILURES: Mapping[str, str] = {}

pytestmark = pytest.mark.xdist_group("stack")

_IMAGE = "/apis/image.openshift.io/v1/namespaces/golden3"
_DEPLOYMENT = "/apis/apps/v1/namespaces/golden3/deployments/web"
_OLDER = "sha256:2b2f07eb966fd0a3031dbdbf847c240fdf40c81f03785fba820c9a44d013ba81"


def _tag(replay: Replay, name: str, kind: str, source: str, **more: Any) -> None:
    body = {
        "kind": "ImageStreamTag",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": f"python:{name}", "namespace": "golden3"},
        "tag": {"name": name, "from": {"kind": kind, "name": source}, **more},
    }
    replay.put(f"{_IMAGE}/imagestreamtags/python:{name}", body)


def _await_generation(replay: Replay, generation: int) -> None:
    """Wait until the import that the write before asks for has been recorded in the stream."""
    path = f"{_IMAGE}/imagestreams/python"
    replay.wait_until(lambda: replay.get(path)["metadata"]["generation"] >= generation)


def _move_followed_tag(replay: Replay) -> None:
    source = f"{RECORDED_REGISTRY}/story/python:3.5"
    _tag(replay, "3.6", "DockerImage", source, importPolicy={"insecure": True})
    _await_generation(replay, 13)


def _add_local_tag(replay: Replay) -> None:
    policies = {"importPolicy": {"insecure": True}, "referencePolicy": {"type": "Local"}}
    _tag(replay, "local", "DockerImage", f"{RECORDED_REGISTRY}/story/python:3.6", **policies)
    _await_generation(replay, 16)


def _roll_back_while_paused(replay: Replay) -> None:
    _set_paused(replay, True)
    _tag(replay, "latest", "ImageStreamImage", f"python@{_OLDER}")
    _set_paused(replay, False)


def _set_paused(replay: Replay, paused: bool) -> None:
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": "python:latest"},
        "fieldPath": 'spec.template.spec.containers[?(@.name=="web")].image',
        **({"paused": "true"} if paused else {}),
    }
    text = json.dumps([trigger], separators=(",", ":"))
    patch = {"metadata": {"annotations": {"image.openshift.io/triggers": text}}}
    replay.merge(_DEPLOYMENT, patch)


_UNRECORDED = {
    "a23-alias": _move_followed_tag,
    "a27-reference": _add_local_tag,
    "c06-followed": _roll_back_while_paused,
}


@pytest.fixture(scope="session")
def replayed_commands(request: pytest.FixtureRequest) -> Mapping[str, list[str]]:
    """The differences of each case, after all of them were replayed in order."""
    require_recordings()
    stack: Stack = request.getfixturevalue("stack")
    registry: FakeRegistry = request.getfixturevalue("golden_registry")
    return replay_cases(stack, registry, CASES, "golden3", _UNRECORDED)


@pytest.mark.parametrize("name", [case.name for case in CASES if case.exchanges])
def test_oc_meets_the_answers_it_met_on_openshift(
    replayed_commands: Mapping[str, list[str]], name: str
) -> None:
    check_case(replayed_commands, name, EXPECTED_FAILURES)


def test_all_that_they_did_replays_byte_for_byte(
    replayed_commands: Mapping[str, list[str]], stack: Stack
) -> None:
    summary = asyncio.run(check_replay_of(stack.postgres_url))
    assert min(summary.commands, summary.changes, summary.facts, summary.streams) > 0
