"""Tells that something changed among what is looked at. Owns no cache: who is told looks itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing

import structlog

from tagstream.errors import TagstreamError
from tagstream.kube.client import KubeClient
from tagstream.kube.errors import Expired
from tagstream.kube.resources import ResourceType
from tagstream.kube.watch import WatchType, watch
from tagstream.samples_manager.cluster import FOLLOWED

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 30.0

_log = structlog.get_logger(__name__)


async def follow_all(kube: KubeClient, changed: Callable[[], None]) -> None:
    """Calls `changed` for every change, and whenever some may have been missed; never ends."""
    async with asyncio.TaskGroup() as group:
        for resource, namespace in FOLLOWED:
            group.create_task(_follow(kube, resource, namespace, changed))


async def _follow(
    kube: KubeClient, resource: ResourceType, namespace: str | None, changed: Callable[[], None]
) -> None:
    delay_s = _FIRST_DELAY_S
    while True:
        try:
            version = await _newest_version(kube, resource, namespace)
            changed()
            delay_s = _FIRST_DELAY_S
            events = watch(kube, resource, version, namespace)
            async with aclosing(events):
                async for event in events:
                    if event.type is not WatchType.BOOKMARK:
                        changed()
        except Expired:
            _log.info("watch too old, starting again", kind=resource.kind)
        except TagstreamError as error:
            _log.debug("watch failed", kind=resource.kind, error=str(error))
            delay_s = min(_LONGEST_DELAY_S, delay_s * 2)
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))


async def _newest_version(kube: KubeClient, resource: ResourceType, namespace: str | None) -> str:
    # Every page carries the version that a watch continues from: the shortest one will do.
    pages = kube.pages(resource, namespace, page_size=1)
    version = ""
    async for page in pages:
        version = page.resource_version
        break
    return version
