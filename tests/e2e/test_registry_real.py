"""Imports from Debian's docker-registry, filled by the distribution API and by skopeo."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fakes.docker_registry import find_binary, run_docker_registry
from fakes.images import DEFAULT_PLATFORMS, build_image, build_index, push_image
from fakes.stack import Stack
from tagstream.kube.client import KubeClient
from tagstream.kube.resources import ResourceType

pytestmark = pytest.mark.xdist_group("stack")

_NAMESPACES = ResourceType("v1", "Namespace", "namespaces", namespaced=False)
_IMPORTS = ResourceType("image.openshift.io/v1", "ImageStreamImport", "imagestreamimports")


def _missing(program: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; without TLS and open to everybody."""
    if find_binary() is None:
        _missing("docker-registry")
    with run_docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
async def cluster(stack: Stack) -> AsyncIterator[KubeClient]:
    """The administrator."""
    async with KubeClient(stack.cluster) as client:
        yield client


@pytest.fixture
async def namespace(cluster: KubeClient) -> AsyncIterator[str]:
    """A namespace of this test alone."""
    name = f"registry-{secrets.token_hex(4)}"
    await cluster.create(_NAMESPACES, None, {"metadata": {"name": name}})
    yield name
    await cluster.delete(_NAMESPACES, None, name)


async def _import(cluster: KubeClient, namespace: str, pull_spec: str, mode: str = "Legacy") -> Any:
    image = {
        "from": {"kind": "DockerImage", "name": pull_spec},
        "to": {"name": "1"},
        "importPolicy": {"insecure": True, "importMode": mode},
    }
    body = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {"import": True, "images": [image]},
    }
    answer: Any = await cluster.create(_IMPORTS, namespace, body)
    return answer["status"]["images"][0]


async def test_an_image_is_imported(cluster: KubeClient, namespace: str, registry: str) -> None:
    digest = push_image(f"http://{registry}", "team/app", "1", build_image("real"))
    result = await _import(cluster, namespace, f"{registry}/team/app:1")
    assert result["status"]["status"] == "Success"
    assert result["image"]["metadata"]["name"] == digest
    assert result["image"]["dockerImageMetadata"]["Config"]["Labels"] == {"seed": "real"}


@pytest.mark.parametrize("oci", [False, True])
async def test_a_list_is_kept_whole_or_reduced_to_one_image(
    cluster: KubeClient, namespace: str, registry: str, oci: bool
) -> None:
    children = [
        build_image(f"{platform}-{oci}", platform=platform, oci=oci)
        for platform in DEFAULT_PLATFORMS
    ]
    listed = build_index(children, oci=oci)
    repository = f"team/multi-{oci}".lower()
    push_image(f"http://{registry}", repository, "1", listed)
    pull_spec = f"{registry}/{repository}:1"
    whole = await _import(cluster, namespace, pull_spec, "PreserveOriginal")
    assert whole["image"]["metadata"]["name"] == listed.digest
    assert len(whole["image"]["dockerImageManifests"]) == len(children)
    one = await _import(cluster, namespace, pull_spec, "Legacy")
    assert one["image"]["metadata"]["name"] == children[0].digest


async def test_an_image_that_skopeo_copied_is_imported(
    cluster: KubeClient, namespace: str, registry: str
) -> None:
    if shutil.which("skopeo") is None:
        _missing("skopeo")
    digest = push_image(f"http://{registry}", "team/source", "1", build_image("copied"))
    copy = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    source, target = f"docker://{registry}/team/source:1", f"docker://{registry}/team/copy:1"
    await asyncio.to_thread(subprocess.run, [*copy, source, target], check=True)
    result = await _import(cluster, namespace, f"{registry}/team/copy:1")
    assert result["image"]["metadata"]["name"] == digest


async def test_a_missing_image_is_told(cluster: KubeClient, namespace: str, registry: str) -> None:
    result = await _import(cluster, namespace, f"{registry}/team/nothing:1")
    assert result["status"]["status"] == "Failure"
    assert result["status"]["reason"] == "NotFound"
