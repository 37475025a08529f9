"""The registry client and the importer's fetch, on the fake registry and on a real one.

Case numbers are those of spec/image-api-and-import.md §11.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from fakes.docker_registry import find_binary, run_docker_registry
from fakes.images import (
    BuiltImage,
    BuiltIndex,
    build_image,
    build_index,
    push_image,
)
from fakes.importing import NOW, Importing, open_importing
from fakes.registry import FakeRegistry
from tagstream.registry.client import RegistryClient
from tagstream.registry.errors import RegistryError
from tagstream.streams.image_stream import ImportMode

PRESERVE = ImportMode.PRESERVE_ORIGINAL


@dataclass
class Registry:
    """Either registry, as far as both can do the same."""

    host: str
    fake: FakeRegistry | None = None

    def push(self, repository: str, tag: str, built: BuiltImage | BuiltIndex) -> str:
        if self.fake is not None:
            return self.fake.add_built(repository, tag, built)
        return push_image(f"http://{self.host}", repository, tag, built)


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_binary() is None:
        reason = "docker-registry is not installed (apt-get install docker-registry)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with run_docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(params=["fake", "docker-registry"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    if request.param == "docker-registry":
        yield Registry(request.getfixturevalue("docker_registry"))
        return
    async with FakeRegistry() as running:
        yield Registry(running.host, running)


@pytest.fixture
async def importing() -> AsyncIterator[Importing]:
    async with open_importing() as opened:
        yield opened


def _children(count: int, *, oci: bool = False) -> list[BuiltImage]:
    platforms = ["linux/amd64", "linux/arm64/v8", "linux/ppc64le", "unknown/unknown"]
    return [
        build_image(f"child-{index}", platform=platforms[index % 4], oci=oci)
        for index in range(count)
    ]


@pytest.mark.parametrize("oci", [False, True])
async def test_single_image_is_fetched_with_its_bytes(
    registry: Registry, importing: Importing, oci: bool
) -> None:
    built = build_image("single", labels={"a": "b"}, oci=oci)
    digest = registry.push("story/single", "3.5", built)
    result = await importing.image(f"{registry.host}/story/single:3.5")
    assert result.status.ok, result.status
    assert result.tag == "3.5"
    assert result.image is not None
    assert (result.image.digest, result.image.raw_manifest) == (digest, built.manifest)
    assert result.image.raw_config == built.config
    assert result.image.reference == f"{registry.host}/story/single@{digest}"
    assert result.image.body["dockerImageManifestMediaType"] == built.media_type


async def test_reference_without_tag_means_latest(registry: Registry, importing: Importing) -> None:
    registry.push("app", "latest", build_image("case-5"))
    result = await importing.image(f"{registry.host}/app")
    assert (result.status.ok, result.tag) == (True, "latest")


async def test_digest_reference_is_fetched_and_has_no_tag(
    registry: Registry, importing: Importing
) -> None:
    digest = registry.push("app", "d", build_image("case-67"))
    result = await importing.image(f"{registry.host}/app@{digest}")
    assert (result.status.ok, result.tag) == (True, "")


async def test_unknown_tag_is_not_found_and_hurts_no_other(
    registry: Registry, importing: Importing
) -> None:
    registry.push("app", "good", build_image("case-47"))
    host = registry.host
    good, bad = await importing.images(f"{host}/app:good", f"{host}/app:nope")
    assert good.status.ok
    assert bad.status.to_v1() == {
        "metadata": {},
        "status": "Failure",
        "message": f'dockerimage.image.openshift.io "{host}/app:nope" not found',
        "reason": "NotFound",
        "details": {
            "name": f"{host}/app:nope",
            "group": "image.openshift.io",
            "kind": "dockerimage",
        },
        "code": 404,
    }


@pytest.mark.parametrize("oci", [False, True])
async def test_legacy_takes_one_child_of_a_list(
    registry: Registry, importing: Importing, oci: bool
) -> None:
    children = _children(3, oci=oci)
    registry.push("multi", "1", build_index(children, oci=oci))
    name = f"{registry.host}/multi:1"
    amd64 = await importing.image(name)
    arm64 = await importing.image(name, prefer_arch="arm64")
    other = await importing.image(name, prefer_arch="riscv64")
    digests = [r.image.digest for r in (amd64, arm64, other) if r.image]
    assert digests == [children[0].digest, children[1].digest, children[0].digest]
    assert amd64.manifests == ()


async def test_legacy_takes_the_first_entry_when_no_platform_fits(
    registry: Registry, importing: Importing
) -> None:
    children = _children(4)[1:3]
    registry.push("multi", "noamd", build_index(children))
    result = await importing.image(f"{registry.host}/multi:noamd")
    assert result.image is not None
    assert result.image.digest == children[0].digest


@pytest.mark.parametrize("oci", [False, True])
async def test_preserve_original_keeps_the_list_and_every_child(
    registry: Registry, importing: Importing, oci: bool
) -> None:
    children = _children(4, oci=oci)
    built = build_index(children, oci=oci, with_media_type=not oci)
    digest = registry.push("multi", "p", built)
    result = await importing.image(f"{registry.host}/multi:p", mode=PRESERVE)
    assert result.status.ok, result.status
    assert result.image is not None
    assert (result.image.digest, result.image.raw_manifest) == (digest, built.manifest)
    assert [child.digest for child in result.manifests] == [c.digest for c in children]
    assert [child.raw_config for child in result.manifests] == [c.config for c in children]
    assert result.manifests[1].reference == f"{registry.host}/multi@{children[1].digest}"
    listed = result.image.body["dockerImageManifests"]
    assert isinstance(listed, list)
    assert len(listed) == 4
    assert NOW.strftime("%Y-%m-%dT%H:%M:%SZ") in str(result.image.body["dockerImageMetadata"])


async def test_repository_is_imported_in_order_with_the_rest_named(
    registry: Registry, importing: Importing
) -> None:
    for tag in ("1.0", "2.0", "latest", "stable"):
        registry.push("whole", tag, build_image(f"whole-{tag}"))
    result = await importing.repository(f"{registry.host}/whole", max_tags=3)
    assert result.status.ok
    assert [image.tag for image in result.images] == ["latest", "2.0", "1.0"]
    assert result.additional_tags == ("stable",)


async def test_unknown_repository_is_not_found(registry: Registry, importing: Importing) -> None:
    result = await importing.repository(f"{registry.host}/nothing/here")
    expected = f'dockerimage.image.openshift.io "{registry.host}/nothing/here" not found'
    assert (result.status.reason, result.status.message) == ("NotFound", expected)


async def test_head_manifest_tells_the_digest(registry: Registry, importing: Importing) -> None:
    digest = registry.push("app", "head", build_image("head"))
    client = RegistryClient(importing.deps.transport, registry.host, insecure=True)
    assert await client.head_manifest("app", "head") == digest
    with pytest.raises(RegistryError):
        await client.head_manifest("app", "missing")


async def test_plain_http_registry_is_refused_when_secure(
    registry: Registry, importing: Importing
) -> None:
    registry.push("app", "1", build_image("http"))
    result = await importing.image(f"{registry.host}/app:1", insecure=False)
    cause = (
        f'{registry.host}/app:1: Get "https://{registry.host}/v2/": '
        "http: server gave HTTP response to HTTPS client"
    )
    assert result.status.message == f"Internal error occurred: {cause}"
    assert result.status.details == {"causes": [{"message": cause}]}
