"""The importer's fetch on the fake registry: sharing, credentials, lists, repositories.

Case numbers are those of spec/image-api-and-import.md §11.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.images import (
    BuiltImage,
    build_image,
    build_index,
    build_schema1,
    sha256_digest,
)
from fakes.importing import PullPlan, open_importing, secret
from fakes.registry import FakeRegistry, FakeTokenServer, build_self_signed
from tagstream.images.reference import ImageReference, parse_image_reference
from tagstream.streams.image_stream import ImportMode

PRESERVE = ImportMode.PRESERVE_ORIGINAL


@pytest.fixture
async def fake() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as registry:
        yield registry


def _children(count: int, *, oci: bool = False) -> list[BuiltImage]:
    platforms = ["linux/amd64", "linux/arm64/v8", "linux/ppc64le", "unknown/unknown"]
    return [
        build_image(f"child-{index}", platform=platforms[index % 4], oci=oci)
        for index in range(count)
    ]


async def test_hub_names_go_to_the_hub_and_stay_short(fake: FakeRegistry) -> None:
    fake.add_image("centos/python", "latest")
    mirror = parse_image_reference(f"{fake.host}/centos/python:latest")
    async with open_importing(
        plan_pull=lambda ref: PullPlan((mirror,), insecure=True)
    ) as importing:
        result = await importing.image("centos/python")
    assert result.image is not None
    assert result.image.reference == f"centos/python@{result.image.digest}"
    assert parse_image_reference("centos/python").network_host == "registry-1.docker.io"


async def test_mirror_that_is_down_is_followed_by_the_source(fake: FakeRegistry) -> None:
    digest = fake.add_image("app", "1")
    reference = parse_image_reference(f"{fake.host}/app:1")
    down = parse_image_reference("127.0.0.1:9/app:1")

    def plan(wanted: ImageReference) -> PullPlan:
        return PullPlan((down, wanted))

    async with open_importing(plan_pull=plan) as importing:
        found = await importing.image(reference.exact)
        missing = await importing.image(f"{fake.host}/app:2")
    assert found.image is not None
    assert found.image.reference == f"{fake.host}/app@{digest}"
    assert missing.status.message.startswith("Internal error occurred: [127.0.0.1:9/app:1: Get ")
    assert missing.status.message.endswith(f'"{fake.host}/app:2" not found]')


async def test_blocked_registry_is_forbidden(fake: FakeRegistry) -> None:
    def plan(wanted: ImageReference) -> PullPlan:
        return PullPlan((wanted,), blocked_registry=wanted.registry)

    async with open_importing(plan_pull=plan) as importing:
        result = await importing.image(f"{fake.host}/app:1")
        whole = await importing.repository(f"{fake.host}/app")
    expected = (403, "Forbidden", f"forbidden: registry {fake.host} blocked")
    assert (result.status.code, result.status.reason, result.status.message) == expected
    assert whole.status == result.status
    assert fake.requests == []


async def test_images_of_one_repository_share_ping_and_token() -> None:
    async with (
        FakeTokenServer({"u": "p"}) as tokens,
        FakeRegistry(token_server=tokens) as registry,
    ):
        for index in range(20):
            registry.add_image("app", f"t{index}")
        async with open_importing(secret(**{registry.host: ("u", "p")})) as importing:
            names = [f"{registry.host}/app:t{index}" for index in range(20)]
            results = await importing.images(*names, *names)
    assert all(result.status.ok for result in results)
    assert len(results) == 40
    assert registry.paths().count("/v2/") == 1
    assert len(tokens.requests) == 1
    assert tokens.requests[0].query["scope"] == "repository:app:pull"
    assert len(registry.paths("/v2/app/manifests/")) == 20


async def test_configs_and_children_are_fetched_once(fake: FakeRegistry) -> None:
    children = _children(3)
    fake.add_built("app", "list", build_index(children))
    fake.add_built("app", "other", build_index(children[::-1]))
    names = [f"{fake.host}/app:list", f"{fake.host}/app:other"]
    async with open_importing() as importing:
        await importing.images(*names, mode=PRESERVE)
        blobs = fake.paths("/v2/app/blobs/")
        assert len(blobs) == len(set(blobs)) == 3
        assert len(fake.paths("/v2/app/manifests/sha256:")) == 3
        await importing.images(*names, mode=PRESERVE)
        assert len(fake.paths("/v2/app/blobs/")) == 3


async def test_unauthorized_without_credentials() -> None:
    async with FakeRegistry(basic={"u": "p"}) as basic, open_importing() as importing:
        result = await importing.image(f"{basic.host}/app:1")
        shown = f"{basic.host}/app:1"
    expected = f'you may not have access to the container image "{shown}"'
    assert (result.status.code, result.status.message) == (401, expected)
    assert result.status.details is None


async def test_basic_credentials_of_the_longest_key_are_used() -> None:
    async with FakeRegistry(basic={"team": "p"}) as basic:
        basic.add_image("team/app", "1")
        logins = {basic.host: ("all", "x"), f"{basic.host}/team": ("team", "p")}
        async with open_importing(secret(**logins)) as importing:
            result = await importing.image(f"{basic.host}/team/app:1")
    assert result.status.ok, result.status


async def test_global_pull_secret_is_used_when_the_namespace_has_none() -> None:
    async with FakeRegistry(basic={"node": "p"}) as basic:
        basic.add_image("app", "1")
        body = b'{"auths": {"%s": {"auth": "bm9kZTpw"}}}' % basic.host.encode()
        async with open_importing(global_pull_secret=body) as importing:
            result = await importing.image(f"{basic.host}/app:1")
    assert result.status.ok, result.status


async def test_wrong_password_on_a_public_image_falls_back_to_anonymous() -> None:
    async with (
        FakeTokenServer({"u": "right"}, public=["public"]) as tokens,
        FakeRegistry(token_server=tokens) as registry,
    ):
        for index in range(5):
            registry.add_image("public", f"{index}")
        registry.add_image("private", "1")
        async with open_importing(secret(**{registry.host: ("u", "wrong")})) as importing:
            names = [f"{registry.host}/public:{index}" for index in range(5)]
            results = await importing.images(*names, f"{registry.host}/private:1")
            whole = await importing.repository(f"{registry.host}/public")
    assert [result.status.ok for result in results] == [True] * 5 + [False]
    private = results[5].status
    assert private.reason == "Unauthorized"
    assert private.message == (
        f'incorrect username or password for image "{registry.host}/private:1"'
    )
    assert whole.status.ok
    # Once for each repository and import: a password tried for every tag locks accounts.
    assert len([r for r in tokens.requests if r.authorization]) == 3


async def test_broken_secret_fails_every_image_without_asking_the_registry(
    fake: FakeRegistry,
) -> None:
    broken = secret()
    data = {".dockerconfigjson": b'{"auths": {"x": {"auth": "hunter2!"}}}'}
    broken = type(broken)(broken.name, broken.type, data)
    async with open_importing(broken) as importing:
        result = await importing.image(f"{fake.host}/app:1")
    assert result.status.reason == "InternalError"
    assert "secret pull" in result.status.message
    assert "hunter2" not in result.status.message
    assert fake.requests == []


async def test_self_signed_registry(tmp_path: Path) -> None:
    tls, certificate = build_self_signed(tmp_path)
    async with FakeRegistry(tls=tls) as registry:
        registry.add_image("app", "1")
        name = f"{registry.host}/app:1"
        async with open_importing() as importing:
            secure = await importing.image(name, insecure=False)
            insecure = await importing.image(name)
        async with open_importing(ca_bundle=certificate) as importing:
            trusted = await importing.image(name, insecure=False)
    assert secure.status.message == (
        f'Internal error occurred: {name}: Get "https://{registry.host}/v2/": tls: failed to '
        "verify certificate: x509: certificate signed by unknown authority"
    )
    assert insecure.status.ok
    assert trusted.status.ok


async def test_schema1_layers_are_sized_by_asking(fake: FakeRegistry) -> None:
    layers = [b"base", b"middle", b"base", b"newest layer"]
    built = build_schema1("old", "1", layers=layers, newest_id="f" * 64)
    fake.add_built("old", "1", built)
    async with open_importing() as importing:
        result = await importing.image(f"{fake.host}/old:1")
        await importing.image(f"{fake.host}/old:1")
    assert result.status.ok, result.status
    assert result.image is not None
    shown = result.image.body["dockerImageLayers"]
    assert isinstance(shown, list)
    names = [layer["name"] for layer in shown if isinstance(layer, dict)]
    assert names == [sha256_digest(layer) for layer in layers]
    metadata = result.image.body["dockerImageMetadata"]
    assert isinstance(metadata, dict)
    assert (metadata["Id"], metadata["Size"]) == ("f" * 64, 4 + 6 + 12)
    assert len([r for r in fake.requests if r.method == "HEAD"]) == 3


async def test_repository_of_sixty_tags_is_read_page_by_page() -> None:
    async with FakeRegistry(page_size=7) as paged, open_importing() as importing:
        for index in range(60):
            paged.add_image("many", f"1.{index}")
        result = await importing.repository(f"{paged.host}/many", images=[f"{paged.host}/many:1.3"])
        everything = await importing.repository(f"{paged.host}/many", max_tags=-1)
    assert [image.tag for image in result.images] == [f"1.{index}" for index in range(59, 9, -1)]
    # 1.3 was fetched as an image of the same request.
    assert len(result.additional_tags) == 9
    assert "1.3" not in result.additional_tags
    assert (len(everything.images), everything.additional_tags) == (60, ())


async def test_repository_with_some_bad_tags_counts_them(fake: FakeRegistry) -> None:
    for index in range(6):
        fake.add_image("some", f"1.{index}")
    for index in range(3):
        fake.add_manifest("some", f"2.{index}", b"{}", "application/vnd.oci.image.manifest.v1+json")
    fake.add_image("some", "a/b?c")
    async with open_importing() as importing:
        result = await importing.repository(f"{fake.host}/some")
    assert result.status.to_v1() == {
        "metadata": {},
        "status": "Failure",
        "message": "4 of the images from this repository failed to import",
        "reason": "ImportFailed",
    }
    assert sum(image.status.ok for image in result.images) == 6


async def test_index_of_two_hundred_children_is_complete(fake: FakeRegistry) -> None:
    children = [build_image(f"c{index}", oci=True) for index in range(200)]
    fake.add_built("wide", "1", build_index(children, oci=True))
    async with open_importing() as importing:
        whole = await importing.image(f"{fake.host}/wide:1", mode=PRESERVE)
        fake.remove_manifest("wide", children[150].digest)
        broken = await importing.image(f"{fake.host}/wide:1", mode=PRESERVE)
    assert [child.digest for child in whole.manifests] == [child.digest for child in children]
    assert not broken.status.ok
    assert children[150].digest in broken.status.message
    assert (broken.image, broken.manifests) == (None, ())


async def test_entry_without_platform_fails_its_image_only(fake: FakeRegistry) -> None:
    children = [build_image("a"), build_image("b", platform="linux/arm64")]
    nameless = BuiltImage(children[1].manifest, children[1].media_type, "", children[1].config)
    fake.add_built("app", "bad", build_index([children[0], nameless]))
    fake.add_image("app", "good")
    async with open_importing() as importing:
        bad, good = await importing.images(
            f"{fake.host}/app:bad", f"{fake.host}/app:good", mode=PRESERVE
        )
    assert good.status.ok
    assert "dockerImageManifests[1].architecture: Required value" in bad.status.message


async def test_nested_list_resolves_to_one_image(fake: FakeRegistry) -> None:
    inner = build_index(_children(2))
    fake.add_built("nest", "", inner)
    outer = build_index([BuiltImage(inner.manifest, inner.media_type, "linux/amd64")])
    fake.add_built("nest", "1", outer)
    async with open_importing() as importing:
        legacy = await importing.image(f"{fake.host}/nest:1")
        preserved = await importing.image(f"{fake.host}/nest:1", mode=PRESERVE)
    expected = inner.children[0].digest
    assert legacy.image is not None
    assert legacy.image.digest == expected
    assert [child.digest for child in preserved.manifests] == [expected]


async def test_empty_list_has_nothing_to_choose(fake: FakeRegistry) -> None:
    fake.add_built("app", "empty", build_index([]))
    async with open_importing() as importing:
        result = await importing.image(f"{fake.host}/app:empty")
    assert result.status.message.endswith("no manifests in manifest list")


async def test_reference_that_does_not_parse_fails_alone(fake: FakeRegistry) -> None:
    fake.add_image("app", "1")
    async with open_importing() as importing:
        star, bare, good = await importing.images("*", "quay.io", f"{fake.host}/app:1")
    assert star.status.message == "Internal error occurred: *: invalid reference format"
    assert bare.status.reason == "InternalError"
    assert good.status.ok
