"""A replay's surroundings: the images, the dictionary, the connection."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence

import pytest

from fakes.golden_names import Names
from fakes.golden_replay import Connection, Replay
from fakes.recorded_images import RECORDED_REGISTRY, serve_recorded_images
from fakes.recordings import Case, golden_dir, load_api_cases, load_oc_cases
from fakes.registry import FakeRegistry
from fakes.stack import Stack

AfterCase = Callable[[Replay], None]


def replay_cases(
    stack: Stack,
    registry: FakeRegistry,
    cases: Sequence[Case],
    recorded_namespace: str,
    after: Mapping[str, AfterCase],
    *,
    images_known: bool = False,
) -> Mapping[str, list[str]]:
    """Replay against a namespace that nobody has used; the differences of each case.

    `after` says what else was done when a case had ended. `images_known`: the server that was
    recorded had imported the registry's images before.
    """
    recorded = (*load_oc_cases("abc"), *load_api_cases())
    roles = serve_recorded_images(registry, recorded, recorded_namespace)
    # As long as the recorded name, so that protobuf bodies can be sent byte for byte.
    namespace = "g" + secrets.token_hex(8)[: len(recorded_namespace) - 1]
    words = {RECORDED_REGISTRY: registry.host, recorded_namespace: namespace}
    replay = Replay(Connection(stack.cluster), Names(words, roles))
    try:
        if images_known:
            _import_all(replay, registry)
        replay.run(cases, after)
    finally:
        replay.connection.close()
    return replay.found


def _import_all(replay: Replay, registry: FakeRegistry) -> None:
    policy = {"insecure": True, "importMode": "PreserveOriginal"}
    names = ("python:3.5", "python:3.6", "multi:1", "ocimulti:1")
    images = [
        {
            "from": {"kind": "DockerImage", "name": f"{registry.host}/story/{name}"},
            "to": {"name": name.replace(":", "-")},
            "importPolicy": policy,
        }
        for name in names
    ]
    body = {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "known"},
        "spec": {"import": True, "images": images},
    }
    replay.post("/apis/image.openshift.io/v1/namespaces/default/imagestreamimports", body)


def require_recordings() -> None:
    """Skip, or fail where they must be: in CI."""
    if load_api_cases():
        return
    reason = f"no recordings in {golden_dir()}; set TAGSTREAM_GOLDEN_DIR"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def check_case(
    found: Mapping[str, list[str]], name: str, expected_failures: Mapping[str, str]
) -> None:
    """Assert that a case showed no difference, or that a known one still shows some."""
    told = found[name]
    if name in expected_failures:
        assert told, f"{name} holds now: take it off the list of expected failures"
        pytest.xfail(expected_failures[name])
    assert not told, f"{len(told)} differences from the recording:\n" + "\n".join(told)
