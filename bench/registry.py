"""The registry that imports come from, images to put into it, and the bare client beside it.

It is Debian's `docker-registry`: a fake in Python would be the bottleneck of its own yardstick.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import uvloop

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_ONE_LAYER = b"the same layer for all images"
_PUSHES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Image:
    """A small image: config and manifest of its own, the layer shared."""

    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def build_image(seed: str) -> Image:
    """Another seed is another digest. The config is as long as that of a small real image."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"SEED={seed}"],
                "Cmd": ["/bin/app", "--listen", "0.0.0.0:8080"],
                "Labels": {f"org.example.label{n}": f"{seed}-{n}" for n in range(12)},
            },
            "rootfs": {"type": "layers", "diff_ids": [digest_of(_ONE_LAYER)]},
            "history": [
                {"created": "2026-01-01T00:00:00Z", "created_by": f"RUN step {n} of {seed}"}
                for n in range(8)
            ],
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(config, _CONFIG),
            "layers": [_descriptor(_ONE_LAYER, _LAYER)],
        }
    ).encode()
    return Image(config, manifest)


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(blob), "digest": digest_of(blob)}


async def push_images(host: str, repository: str, images: dict[str, Image]) -> None:
    """Pushes images by tag."""
    limit = asyncio.Semaphore(_PUSHES_AT_ONCE)
    async with aiohttp.ClientSession(f"http://{host}") as session:
        await _push_blob(session, repository, _ONE_LAYER)

        async def push(tag: str, image: Image) -> None:
            async with limit:
                await _push_blob(session, repository, image.config)
                path = f"/v2/{repository}/manifests/{tag}"
                headers = {"Content-Type": _MANIFEST}
                async with session.put(path, data=image.manifest, headers=headers) as answer:
                    answer.raise_for_status()

        async with asyncio.TaskGroup() as group:
            for tag, image in images.items():
                group.create_task(push(tag, image))


async def _push_blob(session: aiohttp.ClientSession, repository: str, blob: bytes) -> None:
    async with session.post(f"/v2/{repository}/blobs/uploads/") as answer:
        answer.raise_for_status()
        location = answer.headers["Location"].partition("/v2/")[2]
    separator = "&" if "?" in location else "?"
    path = f"/v2/{location}{separator}digest={digest_of(blob)}"
    headers = {"Content-Type": "application/octet-stream"}
    async with session.put(path, data=blob, headers=headers) as answer:
        answer.raise_for_status()


async def fetch_bare(host: str, wanted: Sequence[tuple[str, str]], parallel: int) -> float:
    """Manifest and config of each (repository, tag), nothing else, with so many requests at
    once; seconds."""
    left = iter(wanted)
    connector = aiohttp.TCPConnector(limit=parallel)
    async with aiohttp.ClientSession(f"http://{host}", connector=connector) as session:
        began = time.perf_counter()

        async def work() -> None:
            for repository, tag in left:
                path = f"/v2/{repository}/manifests/{tag}"
                async with session.get(path, headers={"Accept": _MANIFEST}) as answer:
                    answer.raise_for_status()
                    manifest = json.loads(await answer.read())
                path = f"/v2/{repository}/blobs/{manifest['config']['digest']}"
                async with session.get(path) as answer:
                    answer.raise_for_status()
                    await answer.read()

        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(work())
        return time.perf_counter() - began


def measure_bare(host: str, wanted: list[tuple[str, str]], parallel: int) -> float:
    """The same in a fresh loop: what a process of its own runs."""
    return uvloop.run(fetch_bare(host, wanted, parallel))
