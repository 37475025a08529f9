"""Warning events on workloads whose annotation cannot be followed.

Owns the Kubernetes Event object. OpenShift only logs such errors (spec/triggers-lookup-pruning.md
A2); here `describe` shows them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import structlog

from tagstream.errors import Conflict, TagstreamError
from tagstream.events.message import format_timestamp
from tagstream.kube.client import KubeClient
from tagstream.kube.resources import EVENTS
from tagstream.trigger_dispatcher.matching import Failure, Workload

REASON = "InvalidImageTrigger"

_log = structlog.get_logger(__name__)


async def announce_failure(
    kube: KubeClient, workload: Workload, failure: Failure, now: datetime
) -> None:
    """Put a Warning on the workload, once for each object, annotation and message.

    The event's name is computed from these, so a repetition meets its own name. An event that
    cannot be written is logged: it must not hold up the reaction.
    """
    try:
        await kube.create(EVENTS, workload.key.namespace, build_event(workload, failure, now))
    except Conflict:
        return
    except TagstreamError as error:
        _log.warning("event not written", workload=str(workload.key), error=str(error))


def build_event(workload: Workload, failure: Failure, now: datetime) -> dict[str, object]:
    """The Event object, in its core/v1 form."""
    key = workload.key
    told = "\n".join((workload.uid, workload.annotation or "", failure.message))
    at = format_timestamp(now.replace(microsecond=0))
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{key.name[:200]}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
            "namespace": key.namespace,
        },
        "involvedObject": {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": workload.uid,
            "resourceVersion": workload.resource_version,
        },
        "type": "Warning",
        "reason": REASON,
        "message": f"image trigger not applied: {failure.message}"[:1024],
        "source": {"component": "tagstream-trigger-dispatcher"},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
