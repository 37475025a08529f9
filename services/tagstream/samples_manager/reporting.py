"""Tells others how the samples do: the ClusterOperator, and the metrics.

Owns both. What the ClusterOperator says is `cluster_operator.py`; the Config's own status is saved
elsewhere, and nothing here may keep the samples from being looked after.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from tagstream.errors import NotFound, TagstreamError
from tagstream.kube.client import KubeClient
from tagstream.kube.resources import ResourceType
from tagstream.samples_manager.cluster_operator import (
    OPERATOR_NAME,
    Seen,
    build_operator_status,
    is_degraded,
)
from tagstream.samples_manager.conditions import ConditionType, Truth
from tagstream.samples_manager.config import State
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.objects import JsonObject, mapping
from tagstream.telemetry import metrics, names

OPERATORS = ResourceType(
    "config.openshift.io/v1", "ClusterOperator", "clusteroperators", namespaced=False
)

_log = structlog.get_logger(__name__)


async def report(kube: KubeClient, seen: Seen, library: Library | str, now: datetime) -> None:
    """Never fails: what could not be told is told at the next look."""
    status = build_operator_status(seen, {}, now)
    put_metrics(seen, library, is_failing=is_degraded(status))
    try:
        await _save_operator(kube, seen, now)
    except NotFound:
        # A cluster that is no OpenShift has no such kind.
        _log.debug("no ClusterOperators here")
    except TagstreamError as error:
        _log.debug("ClusterOperator not written", error=str(error))


async def _save_operator(kube: KubeClient, seen: Seen, now: datetime) -> None:
    try:
        stored = await kube.get(OPERATORS, None, OPERATOR_NAME)
    except NotFound:
        body: JsonObject = {
            "apiVersion": OPERATORS.api_version,
            "kind": OPERATORS.kind,
            "metadata": {"name": OPERATOR_NAME},
            "spec": {},
        }
        stored = await kube.create(OPERATORS, None, body)
    before = mapping(stored.get("status"))
    status = build_operator_status(seen, before, now)
    if status != before:
        body = {**stored, "status": status}
        await kube.update(OPERATORS, None, OPERATOR_NAME, body, subresource="status")


def put_metrics(seen: Seen, library: Library | str, *, is_failing: bool) -> None:
    """The gauges of spec §12; a stream has one only while the samples are Managed."""
    status = seen.status
    invalid = status.of(ConditionType.CONFIGURATION_VALID) is Truth.FALSE
    metrics.put(names.SAMPLES_DEGRADED, int(is_failing))
    metrics.put(names.SAMPLES_INVALID, int(invalid))
    metrics.forget(names.SAMPLES_FAILED)
    if status.state != State.MANAGED or not isinstance(library, Library):
        return
    failing = status.conditions[ConditionType.IMPORT_IMAGE_ERRORS_EXIST].reason.split()
    for name in library.streams:
        metrics.put(names.SAMPLES_FAILED, int(name in failing), name=name)


def put_no_metrics() -> None:
    """For a process that does not look after the samples any more: another one tells."""
    metrics.forget(names.SAMPLES_FAILED)
    metrics.put(names.SAMPLES_DEGRADED, 0)
    metrics.put(names.SAMPLES_INVALID, 0)
