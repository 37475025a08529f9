"""What the end-to-end tests share: a registry with an application, and the real kubectl."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fakes.kubectl import Kubectl, find_kubectls
from fakes.registry import FakeRegistry
from fakes.stack import Stack


@dataclass(frozen=True, slots=True)
class Application:
    """Two builds of an application in a registry without TLS."""

    registry: str
    first: str
    second: str

    def pull_spec(self, digest: str) -> str:
        return f"{self.registry}/team/app@{digest}"


@pytest.fixture(scope="session")
def application() -> Iterator[Application]:
    """`team/app:1` and `team/app:2`."""
    registry = FakeRegistry()
    registry.start_in_thread()
    first = registry.add_image("team/app", "1")
    second = registry.add_image("team/app", "2")
    yield Application(registry.host, first, second)
    registry.stop_in_thread()


@pytest.fixture(params=["installed", "current"])
def kubectl(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """A real kubectl with a namespace of its own; the old release and the current one in turn."""
    binary = find_kubectls()[request.param]
    if binary is None:
        reason = f"no {request.param} kubectl: see TAGSTREAM_KUBECTL and TAGSTREAM_KUBECTL_NEW"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    stack: Stack = request.getfixturevalue("stack")
    cache = tmp_path_factory.mktemp(f"kubectl-{request.param}")
    kubectl = Kubectl(binary, stack.kubeconfig, cache, f"story-{secrets.token_hex(4)}")
    kubectl("create", "namespace", kubectl.namespace)
    yield kubectl
    kubectl.attempt("delete", "namespace", kubectl.namespace, "--wait=false")
