"""The ImagePruner `cluster`: where it is, its first form, and the conditions it shows. Pure.

Source: spec/triggers-lookup-pruning.md D13, without its cron job: the pruner runs by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

GROUP: Final = "imageregistry.operator.openshift.io"
VERSION: Final = "v1"
RESOURCE: Final = "imagepruners"
KIND: Final = "ImagePruner"
NAME: Final = "cluster"
FIRST_SPEC: Final[Mapping[str, object]] = {
    "suspend": False,
    "keepTagRevisions": 3,
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 3,
    "ignoreInvalidImageReferences": True,
    "logLevel": "Normal",
}

_AVAILABLE: Final = (
    "The pruner is running; it removes API objects and deletes nothing in registries yet"
)

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PrunerState:
    """What the conditions are made of. `failure` is the last run's; `problem` says why the
    specification cannot be followed; both empty when all is well."""

    is_suspended: bool
    failure: str = ""
    problem: str = ""


def decide_status(item: Json, state: PrunerState, now: datetime) -> dict[str, object] | None:
    """The new `status`, None when the object shows it already. `now` is aware.

    A condition keeps its transition time while its status stays.
    """
    metadata, old = item.get("metadata"), item.get("status")
    generation = metadata.get("generation") if isinstance(metadata, Mapping) else None
    before = _conditions(old)
    made = [
        _condition(before.get(kind), kind, status, reason, message, now)
        for kind, status, reason, message in _wanted(state)
    ]
    status = {"observedGeneration": generation or 1, "conditions": made}
    return None if status == old else status


def find_problem(item: Json) -> str:
    """Why the specification cannot be followed, as the conditions tell; empty when it can."""
    degraded = _conditions(item.get("status")).get("Degraded", {})
    is_problem = (degraded.get("status"), degraded.get("reason")) == ("True", "SyncError")
    return str(degraded.get("message", "")).removeprefix("Error: ") if is_problem else ""


def _wanted(state: PrunerState) -> Sequence[tuple[str, bool, str, str]]:
    if state.is_suspended:
        scheduled = (False, "Suspended", "The pruner job has been suspended")
    else:
        scheduled = (True, "Scheduled", "The pruner job has been scheduled")
    if state.failure:
        failed = (True, "JobFailed", state.failure)
    else:
        failed = (False, "Complete", "Pruner completed successfully")
    if state.problem:
        degraded = (True, "SyncError", f"Error: {state.problem}")
    elif state.failure:
        degraded = (True, "JobFailed", state.failure)
    else:
        degraded = (False, "AsExpected", "")
    return (
        ("Available", True, "AsExpected", _AVAILABLE),
        ("Scheduled", *scheduled),
        ("Failed", *failed),
        ("Degraded", *degraded),
    )


def _conditions(status: object) -> dict[str, Json]:
    listed = status.get("conditions") if isinstance(status, Mapping) else None
    if not isinstance(listed, Sequence):
        return {}
    return {str(one.get("type")): one for one in listed if isinstance(one, Mapping)}


def _condition(
    before: Json | None, kind: str, is_true: bool, reason: str, message: str, now: datetime
) -> dict[str, object]:
    status = "True" if is_true else "False"
    same = before is not None and before.get("status") == status
    since = before.get("lastTransitionTime") if before is not None and same else None
    made: dict[str, object] = {
        "type": kind,
        "status": status,
        "lastTransitionTime": since or now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": reason,
    }
    return made | ({"message": message} if message else {})
