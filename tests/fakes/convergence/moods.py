"""A cluster that is away at times: it refuses, hangs up, or does what is asked and is not heard.

Owns the moods, and the comparison of what was patched with what was told of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from random import Random
from typing import Any

from aiohttp import web

from fakes.cluster import Cluster, status
from fakes.workloads import image_at
from tagstream.events.facts import TriggerFired

_OF_EACH_KIND = 3
_SILENT = "silent"
_IS_SILENT = web.RequestKey("is_silent", bool)

Patch = tuple[str, str, str]
"""A workload, the path of one of its images, and the image it got."""


class Moods:
    """A few requests of each kind for each workload go wrong, and then no more."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._wrong: Counter[tuple[str, str]] = Counter()

    def rule(self, cluster: Cluster) -> None:
        """From now on the cluster has these moods."""
        cluster.fault, cluster.loses = self._fault, _loses

    def _fault(self, request: web.Request) -> web.Response | None:
        mood = self._random.choice(("", "", "", "away", "hangs up", _SILENT))
        key = request.method, request.path
        if not mood or self._wrong[key] == _OF_EACH_KIND:
            return None
        self._wrong[key] += 1
        if mood == "away":
            return status(503, "ServiceUnavailable", "away")
        if mood == _SILENT:
            request[_IS_SILENT] = True
        elif request.transport is not None:
            request.transport.close()
            return web.Response()
        return None


def _loses(request: web.Request) -> bool:
    return _IS_SILENT in request


def be_well(cluster: Cluster) -> None:
    """The cluster answers everything again."""
    cluster.fault, cluster.loses = lambda _: None, lambda _: False


def list_patches(cluster: Cluster, fields: Iterable[tuple[str, str, str, str]]) -> Counter[Patch]:
    """Each change of an image in the cluster."""
    patches: Counter[Patch] = Counter()
    for _, namespace, name, path in fields:
        images = [
            image_at(body, path)
            for *_, body in cluster.log
            if (body["metadata"]["namespace"], body["metadata"]["name"]) == (namespace, name)
        ]
        patches.update((name, path, new) for old, new in pairwise(images) if old != new)
    return patches


def list_told(facts: Iterable[tuple[str, Mapping[str, Any]]]) -> Counter[Patch]:
    """Each change of an image that a fact tells."""
    return Counter(
        (data["workloadName"], path, data["newPullSpec"])
        for kind, data in facts
        if kind == TriggerFired.TYPE
        for path in data["fieldPaths"]
    )
