"""The demo's registry: what is pushed can be pulled, by our client and by skopeo."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from fakes.importing import Importing, open_importing
from tagstream.demo.failures import DemoFailed
from tagstream.demo.image import MANIFEST_TYPE, build_small_image
from tagstream.demo.push import push_image
from tagstream.demo.registry import DemoRegistry
from tagstream.images.digest import digest_of
from tagstream.registry.client import RegistryClient

IMAGE = build_small_image(1)


@pytest.fixture
async def registry() -> AsyncIterator[DemoRegistry]:
    async with DemoRegistry() as running:
        yield running


@pytest.fixture
async def importing() -> AsyncIterator[Importing]:
    async with open_importing() as opened:
        yield opened


@pytest.fixture
async def http(registry: DemoRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{registry.host}") as session:
        yield session


def test_the_same_build_has_the_same_digest_and_another_one_has_not() -> None:
    assert build_small_image(1) == IMAGE
    assert build_small_image(2).digest != IMAGE.digest


async def test_our_client_reads_byte_for_byte_what_was_pushed(
    registry: DemoRegistry, importing: Importing
) -> None:
    await push_image(registry.host, "shop/app", "1", IMAGE)
    client = RegistryClient(importing.deps.transport, registry.host, insecure=True)
    assert await client.head_manifest("shop/app", "1") == IMAGE.digest
    result = await importing.image(f"{registry.host}/shop/app:1")
    assert result.image is not None, result.status
    assert (result.image.raw_manifest, result.image.raw_config) == (IMAGE.manifest, IMAGE.config)
    whole = await importing.repository(f"{registry.host}/shop/app")
    assert [image.tag for image in whole.images] == ["1"]


async def test_a_pushed_tag_moves_and_the_older_image_stays(
    registry: DemoRegistry, importing: Importing
) -> None:
    newer = build_small_image(2)
    await push_image(registry.host, "shop/app", "1", IMAGE)
    await push_image(registry.host, "shop/app", "1", newer)
    moved = await importing.image(f"{registry.host}/shop/app:1")
    older = await importing.image(f"{registry.host}/shop/app@{IMAGE.digest}")
    digests = [result.image.digest for result in (moved, older) if result.image]
    assert digests == [newer.digest, IMAGE.digest]


async def test_a_blob_can_come_in_chunks_and_be_mounted_elsewhere(
    http: aiohttp.ClientSession,
) -> None:
    blob, digest = IMAGE.layer, digest_of(IMAGE.layer)
    upload = (await http.post("/v2/a/blobs/uploads/")).headers["Location"]
    for start, part in ((0, blob[:50]), (50, blob[50:])):
        headers = {"Content-Range": f"{start}-{start + len(part) - 1}"}
        assert (await http.patch(upload, data=part, headers=headers)).status == 202
    misplaced = await http.patch(upload, data=b"x", headers={"Content-Range": "7-7"})
    assert misplaced.status == 416
    assert (await http.put(upload, params={"digest": digest})).status == 201
    mount = {"mount": digest, "from": "a"}
    assert (await http.post("/v2/b/blobs/uploads/", params=mount)).status == 201
    assert await (await http.get(f"/v2/b/blobs/{digest}")).read() == blob


async def test_wrong_digests_and_incomplete_images_are_refused(
    http: aiohttp.ClientSession,
) -> None:
    other = digest_of(b"other")
    whole = await http.post("/v2/a/blobs/uploads/", params={"digest": other}, data=IMAGE.layer)
    headers = {"Content-Type": MANIFEST_TYPE}
    early = await http.put("/v2/a/manifests/1", data=IMAGE.manifest, headers=headers)
    wrong = await http.put(f"/v2/a/manifests/{other}", data=b"{}", headers=headers)
    codes = [(await answer.json())["errors"][0]["code"] for answer in (whole, early, wrong)]
    assert codes == ["DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN", "DIGEST_INVALID"]
    assert (await http.get("/v2/a/manifests/1")).status == 404


async def test_tags_come_in_pages(registry: DemoRegistry, http: aiohttp.ClientSession) -> None:
    for tag in ("1", "2", "3"):
        await push_image(registry.host, "a", tag, IMAGE)
    page = await http.get("/v2/a/tags/list", params={"n": "2"})
    assert (await page.json())["tags"] == ["1", "2"]
    rest = await http.get(page.links["next"]["url"])
    assert (await rest.json())["tags"] == ["3"]
    assert "next" not in rest.links


async def test_a_push_that_is_refused_says_so(registry: DemoRegistry) -> None:
    with pytest.raises(DemoFailed, match="NAME_INVALID"):
        await push_image(registry.host, "Not A Name", "1", IMAGE)


async def test_skopeo_pulls_from_it_and_pushes_to_it(
    registry: DemoRegistry, tmp_path: Path
) -> None:
    if shutil.which("skopeo") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("skopeo is not installed")
    await push_image(registry.host, "shop/app", "1", IMAGE)
    remote, copy = f"docker://{registry.host}/shop/app:1", f"dir:{tmp_path / 'copy'}"
    pushed = f"docker://{registry.host}/other/copy:2"
    await _skopeo("copy", "--src-tls-verify=false", remote, copy)
    await _skopeo("copy", "--dest-tls-verify=false", copy, pushed)
    digest = await _skopeo("inspect", "--tls-verify=false", "--format={{.Digest}}", pushed)
    assert digest.strip() == IMAGE.digest


async def _skopeo(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("skopeo", "--insecure-policy", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
