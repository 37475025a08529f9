"""What is to become of objects that end, or whose owners do. Pure.

Bodies are the stored ones, which these functions never change in place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from tagstream.api.wire.json_types import JsonObject
from tagstream.store.housekeeping_reads import Owner

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
#: Finalizers in a namespace's spec that housekeeping, being the namespace controller, removes.
_NAMESPACE_FINALIZERS = frozenset({"kubernetes", "openshift.io/origin"})


class Fate(StrEnum):
    """What happens to a dependent; the value is the reason for log and test."""

    KEEP = "has an owner, or never had one"
    DELETE = "all owners are gone"
    DETACH = "some owners are gone"


@dataclass(frozen=True, slots=True)
class DependentDecision:
    """`owners` are the uids that the object shall keep naming."""

    fate: Fate
    owners: frozenset[str] = frozenset()


def decide_dependent(
    namespace: str, named: Collection[str], existing: Iterable[Owner]
) -> DependentDecision:
    """An owner counts when it exists in the object's namespace or in none, and is not itself only
    waiting for its dependents to go."""
    solid = frozenset(
        owner.uid
        for owner in existing
        if owner.uid in named and owner.namespace in ("", namespace) and not owner.goes_last
    )
    if not named or len(solid) == len(set(named)):
        return DependentDecision(Fate.KEEP, solid)
    if not solid:
        return DependentDecision(Fate.DELETE)
    return DependentDecision(Fate.DETACH, solid)


def owner_uids(body: Mapping[str, object]) -> list[str]:
    """The uids of the owners that an object names."""
    return [str(one.get("uid", "")) for one in _references(body)]


def blocks(body: Mapping[str, object], owner_uid: str) -> bool:
    """Whether an object keeps its owner, deleted in the foreground, from going."""
    return any(
        one.get("uid") == owner_uid and one.get("blockOwnerDeletion") is True
        for one in _references(body)
    )


def without_owners(body: Mapping[str, object], kept: Collection[str]) -> JsonObject:
    """The object naming only the owners in `kept`."""
    left = [dict(one) for one in _references(body) if one.get("uid") in kept]
    return _with_metadata(body, "ownerReferences", left or None)


def finalizers_of(body: Mapping[str, object]) -> list[str]:
    """`metadata.finalizers`."""
    return [str(one) for one in metadata_of(body).get("finalizers") or []]


def without_finalizer(body: Mapping[str, object], finalizer: str) -> JsonObject:
    """The object without one of its finalizers."""
    left = [one for one in finalizers_of(body) if one != finalizer]
    return _with_metadata(body, "finalizers", left or None)


def is_deleted(body: Mapping[str, object]) -> bool:
    """Whether deletion was asked for."""
    return bool(metadata_of(body).get("deletionTimestamp"))


def marked_deleted(body: Mapping[str, object], at: str) -> JsonObject:
    """The object as it waits for its finalizers."""
    return _with_metadata(body, "deletionTimestamp", at)


def without_namespace_finalizers(body: Mapping[str, object]) -> JsonObject:
    """A namespace from which everything was removed; others may have put in finalizers."""
    found = body.get("spec")
    spec = dict(found) if isinstance(found, dict) else {}
    left = [one for one in spec.get("finalizers") or [] if one not in _NAMESPACE_FINALIZERS]
    return {**body, "spec": {**spec, "finalizers": left}}


def is_empty_namespace_held(body: Mapping[str, object]) -> bool:
    """Whether somebody else's finalizer keeps a namespace that is empty."""
    spec = body.get("spec")
    return bool(finalizers_of(body) or (isinstance(spec, dict) and spec.get("finalizers")))


def metadata_of(body: Mapping[str, object]) -> JsonObject:
    """The metadata of a body."""
    return cast(JsonObject, body.get("metadata") or {})


def _references(body: Mapping[str, object]) -> list[JsonObject]:
    return [one for one in metadata_of(body).get("ownerReferences") or [] if isinstance(one, dict)]


def _with_metadata(body: Mapping[str, object], key: str, value: object) -> JsonObject:
    metadata = {k: v for k, v in metadata_of(body).items() if k != key}
    if value is not None:
        metadata[key] = value
    return {**body, "metadata": metadata}
