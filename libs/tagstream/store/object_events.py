"""Kubernetes Events about our own objects: where a person looks who asks what went wrong.

An event that says the same of the same object again raises the count of the one that is there.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tagstream.store.journal import Transaction
from tagstream.store.resources import (
    Resource,
    insert_resource,
    load_resource,
    update_resource,
)

_GROUP, _RESOURCE = "", "events"


async def record_event(
    tx: Transaction,
    about: Mapping[str, str],
    *,
    reason: str,
    message: str,
    now: datetime,
    component: str,
    kind: str = "Warning",
) -> None:
    """Stores or counts an Event. `about` is an ObjectReference: apiVersion, kind, namespace, name,
    uid."""
    digest = hashlib.sha256(f"{about['uid']}/{reason}/{message}".encode()).hexdigest()[:16]
    namespace, name = about["namespace"], f"{about['name']}.{digest}"
    stored = await load_resource(tx.connection, _GROUP, _RESOURCE, namespace, name, lock=True)
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if stored is not None:
        body: dict[str, Any] = {**stored.body, "lastTimestamp": at}
        body["count"] = int(body.get("count", 1)) + 1
        await update_resource(
            tx,
            Resource(
                stored.group,
                stored.resource,
                namespace,
                name,
                stored.uid,
                stored.version,
                stored.labels,
                body,
            ),
        )
        return
    uid = str(uuid.uuid5(uuid.UUID(tx.command.id), name))
    body = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "creationTimestamp": at,
        },
        "involvedObject": dict(about),
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "type": kind,
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": "",
    }
    await insert_resource(tx, Resource(_GROUP, _RESOURCE, namespace, name, uid, 0, {}, body))
