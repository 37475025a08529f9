"""What the ClusterOperator `openshift-samples` says, from the Config and its status. Pure.

Owns spec/samples-and-templates.md §11.1. Failing imports alone make it neither degraded nor
unavailable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tagstream.samples_manager.conditions import ConditionType, Truth, format_time
from tagstream.samples_manager.config import ARCHITECTURES, Config, State, Status
from tagstream.samples_manager.objects import (
    CONFIG_NAME,
    OWN_NAMESPACE,
    SAMPLES_NAMESPACE,
    JsonObject,
    mapping,
    mappings,
    text,
)

OPERATOR_NAME: Final = "openshift-samples"
_RELATED: Final = (
    ("samples.operator.openshift.io", "configs", "", CONFIG_NAME),
    ("", "namespaces", "", OWN_NAMESPACE),
    ("template.openshift.io", "templates", SAMPLES_NAMESPACE, ""),
    ("image.openshift.io", "imagestreams", SAMPLES_NAMESPACE, ""),
)


@dataclass(frozen=True, slots=True)
class _Said:
    """One condition."""

    is_true: bool
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is said something about. `release` is the library's version; `asked_at` is when imports
    were last asked for again, empty when none fail."""

    config: Config
    status: Status
    release: str
    asked_at: str = ""

    @property
    def installed(self) -> str:
        return self.status.version or self.release


def build_operator_status(seen: Seen, stored: JsonObject, now: datetime) -> JsonObject:
    """The `status` to store over `stored`; a condition's time moves only with its status."""
    degraded = _degraded(seen)
    available = _available(seen)
    said = {
        "Available": available,
        "Progressing": _progressing(seen, available, degraded),
        "Degraded": degraded,
    }
    before = {one.get("type"): one for one in mappings(stored.get("conditions"))}
    versions = [{"name": "operator", "version": seen.status.version}]
    return {
        "conditions": [
            _condition(kind, one, mapping(before.get(kind)), now) for kind, one in said.items()
        ],
        "versions": versions if seen.status.version else [],
        "relatedObjects": [
            {"group": group, "resource": resource, "name": name}
            | ({"namespace": namespace} if namespace else {})
            for group, resource, namespace, name in _RELATED
        ],
    }


def is_degraded(operator_status: JsonObject) -> bool:
    """Whether a status that was built here says so."""
    return any(
        one["type"] == "Degraded" and one["status"] == "True"
        for one in operator_status["conditions"]
    )


def _available(seen: Seen) -> _Said:
    status, before = seen.status, seen.installed
    if status.state in (State.REMOVED, State.UNMANAGED):
        reason = "CurrentlyRemoved" if status.state == State.REMOVED else "CurrentlyUnmanaged"
        said = f"previously successful at {before}, operator now at {seen.release}"
        return _Said(True, _unsupported(seen) or reason, f"Samples are {status.state}: {said}")
    exist = status.of(ConditionType.SAMPLES_EXIST)
    if exist is not Truth.TRUE:
        how = "not known to be installed" if exist is Truth.UNKNOWN else "not installed yet"
        return _Said(False, "SampleUpsertsPending", f"Samples are {how} at {before}")
    return _Said(True, "", f"Samples installation successful at {before}")


def _unsupported(seen: Seen) -> str:
    first = seen.config.spec.architectures[:1]
    is_unknown = bool(first) and first[0] not in ARCHITECTURES
    return "UnsupportHWArchitecture" if is_unknown and seen.status.state == State.REMOVED else ""


def _degraded(seen: Seen) -> _Said:
    status = seen.status
    if status.state in (State.REMOVED, State.UNMANAGED):
        return _Said(False, _unsupported(seen))
    valid = status.conditions[ConditionType.CONFIGURATION_VALID]
    error = f"Samples installation in error at {seen.installed}: "
    if valid.status is Truth.FALSE:
        return _Said(True, "InvalidConfiguration", error + valid.message)
    for one in status.conditions.values():
        if one.status is Truth.UNKNOWN:
            return _Said(True, one.reason, error + one.message)
    return _Said(False)


def _progressing(seen: Seen, available: _Said, degraded: _Said) -> _Said:
    status, version = seen.status, seen.installed
    if degraded.is_true:
        return _Said(True, degraded.reason, degraded.message)
    if seen.config.is_deleted:
        return _Said(True, "DeletionInProgress", f"Deleting samples at {version}")
    if status.of(ConditionType.REMOVE_PENDING) is Truth.TRUE:
        return _Said(True, "", f"Deleting samples at {version}")
    if status.of(ConditionType.IMAGE_CHANGES_IN_PROGRESS) is Truth.TRUE:
        return _Said(True, "", f"Samples processing to {seen.release}")
    failing = status.conditions[ConditionType.IMPORT_IMAGE_ERRORS_EXIST]
    if status.state == State.MANAGED and failing.status is Truth.TRUE and available.is_true:
        streams = ",".join(failing.reason.split())
        message = (
            f"Samples installed at {version}, but these imagestreams fail to import: {streams}; "
            f"last import attempt {seen.asked_at or 'unknown'}"
        )
        return _Said(False, "FailedImageImports", message)
    return _Said(False, "", available.message)


def _condition(kind: str, said: _Said, before: JsonObject, now: datetime) -> JsonObject:
    status = "True" if said.is_true else "False"
    since = text(before.get("lastTransitionTime")) if before.get("status") == status else ""
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since or format_time(now),
        **({"reason": said.reason} if said.reason else {}),
        **({"message": said.message} if said.message else {}),
    }
