"""What the cluster has: every workload of one kind, and every change to it, for ever.

Owns listing, following and listing again; knows nothing of triggers. Changes of one kind come in
the cluster's order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from tagstream.errors import TagstreamError
from tagstream.kube.client import KubeClient, KubeObject
from tagstream.kube.errors import Expired
from tagstream.kube.watch import WatchPolicy, WatchType, watch
from tagstream.trigger_dispatcher.targets import Target

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 30.0

Name = tuple[str, str]
"""Namespace and name."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Observed:
    """A workload as it is now; `body` is None when it is gone."""

    target: Target
    namespace: str
    name: str
    body: KubeObject | None


async def observe(
    kube: KubeClient, target: Target, known: set[Name], policy: WatchPolicy | None = None
) -> AsyncGenerator[Observed, None]:
    """All workloads of a kind, then their changes; never ends.

    `known` are those that somebody remembers: one that a full list lacks is told as gone. It is
    kept up to date only by those told here and is the caller's to fill. Whatever the cluster
    answers, it is tried again after a while.
    """
    failures = 0
    clock = asyncio.get_running_loop().time
    while True:
        started = clock()
        try:
            found = _list_and_watch(kube, target, known, policy)
            async with aclosing(found):
                async for observed in found:
                    yield observed
        except Expired:
            _log.info("watch too old, listing again", kind=target.resource.kind)
        except TagstreamError as error:
            _log.warning("watch failed", kind=target.resource.kind, error=str(error))
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**failures)
        if clock() - started > delay_s:
            # It went well for longer than the wait would be.
            failures, delay_s = 0, _FIRST_DELAY_S
        failures = min(failures + 1, 10)
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))


async def _list_and_watch(
    kube: KubeClient, target: Target, known: set[Name], policy: WatchPolicy | None
) -> AsyncGenerator[Observed, None]:
    listed: set[Name] = set()
    version = ""
    async for page in kube.pages(target.resource):
        version = page.resource_version
        for body in page.items:
            observed = _observed(target, body)
            listed.add((observed.namespace, observed.name))
            yield observed
    for namespace, name in sorted(known - listed):
        known.discard((namespace, name))
        yield Observed(target, namespace, name, None)
    changes = watch(kube, target.resource, version, policy=policy)
    async with aclosing(changes):
        async for event in changes:
            if event.type is not WatchType.BOOKMARK:
                yield _observed(target, event.object, gone=event.type is WatchType.DELETED)


def _observed(target: Target, body: KubeObject, *, gone: bool = False) -> Observed:
    metadata = body.get("metadata")
    meta = metadata if isinstance(metadata, dict) else {}
    namespace, name = str(meta.get("namespace", "")), str(meta.get("name", ""))
    return Observed(target, namespace, name, None if gone else body)
