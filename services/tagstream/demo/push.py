"""Pushing an image to a registry over HTTP, as any builder does.

Owns the three kinds of requests of a push. Plain HTTP and no login: the registry is the demo's.
"""

from __future__ import annotations

import aiohttp
from yarl import URL

from tagstream.demo.failures import DemoFailed
from tagstream.demo.image import MANIFEST_TYPE, SmallImage
from tagstream.images.digest import digest_of

_TIMEOUT_S = 10.0


async def push_image(host: str, repository: str, tag: str, image: SmallImage) -> None:
    """Raises `DemoFailed` when the registry refuses, or answers with another digest."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            root = URL(f"http://{host}/v2/{repository}/")
            for blob in (image.layer, image.config):
                await _push_blob(session, root, blob)
            await _push_manifest(session, root, tag, image)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DemoFailed(f"pushing to {host} failed: {error or type(error).__name__}") from error


async def _push_blob(session: aiohttp.ClientSession, root: URL, blob: bytes) -> None:
    async with session.post(root / "blobs/uploads/") as started:
        await _expect(started, 202)
        target = root.join(URL(started.headers["Location"]))
    async with session.put(target.update_query(digest=digest_of(blob)), data=blob) as stored:
        await _expect(stored, 201)


async def _push_manifest(
    session: aiohttp.ClientSession, root: URL, tag: str, image: SmallImage
) -> None:
    headers = {"Content-Type": MANIFEST_TYPE}
    target = root / "manifests" / tag
    async with session.put(target, data=image.manifest, headers=headers) as stored:
        await _expect(stored, 201)
    async with session.head(target, headers={"Accept": MANIFEST_TYPE}) as found:
        await _expect(found, 200)
        digest = found.headers.get("Docker-Content-Digest", "")
    if digest != image.digest:
        raise DemoFailed(f"{target} is {digest or 'nothing'} after the push of {image.digest}")


async def _expect(answer: aiohttp.ClientResponse, status: int) -> None:
    if answer.status != status:
        said = (await answer.text())[:200]
        raise DemoFailed(f"{answer.method} {answer.url} answered {answer.status}: {said}")
