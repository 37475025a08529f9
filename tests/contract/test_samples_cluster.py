"""The samples-manager with a cluster that lacks something or refuses it: told, and nothing lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from fakes.cluster import Cluster, run_cluster, status
from tagstream.errors import Conflict, Upstream
from tagstream.kube.client import KubeClient
from tagstream.kube.config import ClusterConfig
from tagstream.samples_manager.config import State
from tagstream.samples_manager.deps import Deps
from tagstream.samples_manager.keeper import Keeper
from tagstream.samples_manager.library import SHIPPED

CONFIG = ("/apis/samples.operator.openshift.io/v1/configs", "", "cluster")
OPERATOR = ("/apis/config.openshift.io/v1/clusteroperators", "", "openshift-samples")
STREAMS = "/apis/image.openshift.io/v1/imagestreams"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with run_cluster() as running:
        yield running


@pytest.fixture
async def keeper(cluster: Cluster) -> AsyncIterator[Keeper]:
    async def ours() -> bool:
        return True

    async with KubeClient(ClusterConfig(cluster.url, token="t0ken"), timeout_s=2) as kube:
        yield Keeper(
            Deps(kube, SHIPPED, State.MANAGED, "x86_64", lambda: datetime.now(UTC), 300, ours)
        )


def refuse(method: str, path: str, code: int, reason: str) -> Callable[[web.Request], Any]:
    """Refuses requests whose path contains the text."""

    def fault(request: web.Request) -> web.Response | None:
        hit = request.method == method and path in request.path
        return status(code, reason, f"{reason} by the test") if hit else None

    return fault


def condition(cluster: Cluster, kind: str) -> dict[str, Any]:
    listed = cluster.objects[CONFIG]["status"]["conditions"]
    found: dict[str, Any] = next(one for one in listed if one["type"] == kind)
    return found


def streams(cluster: Cluster) -> int:
    return sum(key[0] == STREAMS for key in cluster.objects)


async def test_everything_is_installed_and_told(cluster: Cluster, keeper: Keeper) -> None:
    await keeper.settle()
    assert streams(cluster) >= 12
    told = {one["type"]: one for one in cluster.objects[OPERATOR]["status"]["conditions"]}
    assert told["Available"]["message"] == "Samples installation successful at 2026.11"


@pytest.mark.parametrize(("code", "reason"), [(404, "NotFound"), (403, "Forbidden")])
async def test_without_cluster_operators_the_samples_are_kept_all_the_same(
    cluster: Cluster, keeper: Keeper, code: int, reason: str
) -> None:
    cluster.fault = refuse("POST", "clusteroperators", code, reason)
    await keeper.settle()
    assert streams(cluster) >= 12
    assert condition(cluster, "SamplesExist")["status"] == "True"


async def test_a_missing_namespace_is_told_with_the_command_that_helps(
    cluster: Cluster, keeper: Keeper
) -> None:
    cluster.fault = refuse("POST", "namespaces/openshift/imagestreams", 404, "NotFound")
    with pytest.raises(Upstream, match="kubectl create namespace openshift"):
        await keeper.settle()
    told = condition(cluster, "SamplesExist")
    assert (told["status"], told["reason"]) == ("Unknown", "APIServerNotFoundError")
    cluster.fault = lambda _: None
    await keeper.settle()
    assert condition(cluster, "SamplesExist")["status"] == "True"


async def test_a_refused_write_is_told_and_the_others_are_made(
    cluster: Cluster, keeper: Keeper
) -> None:
    cluster.fault = refuse("POST", "/templates", 403, "Forbidden")
    with pytest.raises(Upstream, match="Forbidden by the test"):
        await keeper.settle()
    assert streams(cluster) >= 12
    assert condition(cluster, "SamplesExist")["reason"] == "APIServerForbiddenError"


async def test_a_lost_race_touches_no_condition(cluster: Cluster, keeper: Keeper) -> None:
    cluster.fault = refuse("POST", "/imagestreams", 409, "AlreadyExists")
    with pytest.raises(Conflict):
        await keeper.settle()
    assert condition(cluster, "SamplesExist")["status"] == "False"


async def test_an_image_config_that_may_not_be_read_is_unknown(
    cluster: Cluster, keeper: Keeper
) -> None:
    cluster.fault = refuse("GET", "config.openshift.io/v1/images", 403, "Forbidden")
    await keeper.settle()
    assert condition(cluster, "ConfigurationValid")["status"] == "Unknown"
    assert streams(cluster) == 0
