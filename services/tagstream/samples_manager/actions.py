"""What can be done to the cluster, as values with their reasons. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tagstream.samples_manager.objects import JsonObject


class Verb(StrEnum):
    CREATE = "create"
    REPLACE = "replace"
    UNMARK = "unmark"
    DELETE = "delete"


class Target(StrEnum):
    """The kinds that are acted upon."""

    STREAM = "ImageStream"
    TEMPLATE = "Template"
    CONFIG_MAP = "ConfigMap"


class Reason(StrEnum):
    """Why. The first six are those of a full pass."""

    NOT_INSTALLED = "NotInstalled"
    BECAME_MANAGED = "BecameManaged"
    NEW_VERSION = "NewVersion"
    OTHER_REGISTRY = "OtherRegistry"
    INTERRUPTED = "Interrupted"
    SKIPPED = "Skipped"
    NOT_SKIPPED_ANY_MORE = "NotSkippedAnyMore"
    MISSING = "Missing"
    NOT_OF_THIS_VERSION = "NotOfThisVersion"
    REMOVED = "Removed"
    CONFIG_DELETED = "ConfigDeleted"
    IMPORTS_FAIL = "ImportsFail"
    IMPORTS_RECOVERED = "ImportsRecovered"
    TAG_MAP = "TagMap"


@dataclass(frozen=True, slots=True)
class Action:
    """One write. `body` is the object to write; for UNMARK and DELETE the one that is there."""

    verb: Verb
    target: Target
    name: str
    reason: Reason
    body: JsonObject = field(repr=False)
