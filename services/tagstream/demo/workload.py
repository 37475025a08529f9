"""Watching the Deployment's image, with the time at which each change arrived.

Owns the watch. What image is right is the story's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from tagstream.demo.failures import DemoFailed
from tagstream.demo.objects import DEPLOYMENTS, NAMESPACE, WORKLOAD, container_image, text_at
from tagstream.kube.client import KubeClient
from tagstream.kube.watch import watch


class ImageWatch:
    """The images that the Deployment has had and nobody has waited for yet."""

    def __init__(self) -> None:
        self._seen: asyncio.Queue[tuple[str, float] | Exception] = asyncio.Queue()
        self._last = ""

    async def follow(self, client: KubeClient, version: str) -> None:
        try:
            async with aclosing(watch(client, DEPLOYMENTS, version, NAMESPACE)) as changes:
                async for change in changes:
                    if text_at(change.object, "metadata", "name") == WORKLOAD:
                        self._seen.put_nowait((container_image(change.object), time.monotonic()))
        except Exception as error:
            # Whoever waits has to hear of it.
            self._seen.put_nowait(error)

    async def wait_for(self, image: str, timeout_s: float = 15.0) -> float:
        """When the image arrived, in `time.monotonic`. Raises `DemoFailed` if it does not."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    seen = await self._seen.get()
                    if isinstance(seen, Exception):
                        raise DemoFailed(f"watching deployment/{WORKLOAD} failed: {seen}") from seen
                    self._last, arrived_at = seen
                    if self._last == image:
                        return arrived_at
        except TimeoutError as error:
            raise DemoFailed(
                f"deployment/{WORKLOAD} has image {self._last or '(none)'} "
                f"{timeout_s:.0f} s later, not {image}"
            ) from error


@asynccontextmanager
async def watch_image(client: KubeClient) -> AsyncIterator[ImageWatch]:
    """Watch from now on."""
    images = ImageWatch()
    version = (await client.list(DEPLOYMENTS, NAMESPACE)).resource_version
    task = asyncio.create_task(images.follow(client, version))
    try:
        yield images
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
