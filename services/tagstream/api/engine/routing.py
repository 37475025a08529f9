"""From a path to what it names, and from there to the kind's storage.

Owns the grammar of resource paths and the registry of kinds. What a caller may do there is the
authorizer's matter; paths that name no resource (discovery, health) are the server's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.engine.storage import Storage
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.k8s_protobuf import supports
from tagstream.api.wire.status import generic_not_found

# What below `namespaces/<name>` is a subresource and not a resource inside the namespace.
_OF_NAMESPACES = frozenset({"status", "finalize"})
# Old clients write `processedTemplates` (spec/samples-and-templates.md §15.1).
_ANY_CASE = "template.openshift.io"


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. An absent part is empty; `watch` is set by the old `/watch/` prefix."""

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watch: bool = False


def parse_target(raw_path: str) -> Target | None:
    """The resource that a still percent-encoded path names; None when it names none.

    `/api`, `/apis/<group>` and `/apis/<group>/<version>` name none: they are discovery. Raises 404
    for a path below a version that nothing can ever be at.
    """
    parts = raw_path.rstrip("/").split("/")
    if len(parts) > 3 and parts[1] == "api":
        group, version, rest = "", parts[2], parts[3:]
    elif len(parts) > 4 and parts[1] == "apis":
        group, version, rest = parts[2], parts[3], parts[4:]
    else:
        return None
    if "%" in raw_path:
        rest = [unquote(part) for part in rest]
    watch = rest[0] == "watch"
    if watch:
        del rest[0]
    if not all(rest):
        raise generic_not_found()
    return _below_version(group, version, rest, watch)


def _below_version(group: str, version: str, rest: list[str], watch: bool) -> Target:
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and not _is_subresource(group, rest):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        raise generic_not_found()
    resource, name, subresource = (*rest, "", "")[:3]
    if group == _ANY_CASE:
        resource = resource.lower()
    return Target(group, version, resource, namespace, name, subresource, watch)


def _is_subresource(group: str, rest: list[str]) -> bool:
    return group == "" and len(rest) == 3 and rest[2] in _OF_NAMESPACES


# A kind that is shown from another kind's changes makes its own form of each object here; None
# hides the change from this caller.
Show = Callable[[RequestContext, JsonObject], Awaitable[JsonObject | None]]


@dataclass(frozen=True, slots=True)
class WatchSource:
    """Which changes of the journal a watch of a kind follows, and how it shows them.

    Without `show` the objects go out as the hub has them.
    """

    group: str
    resource: str
    show: Show | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered kind. `protobuf` says whether it has a protobuf form."""

    kind: Kind
    storage: Storage
    watch: WatchSource
    protobuf: bool
    subresources: dict[str, Subresource] = field(default_factory=dict)

    def type_of(self, subresource: str) -> tuple[str, str]:
        """The apiVersion and kind that are spoken there; empty means the resource itself."""
        kind, below = self.kind, self.subresources.get(subresource)
        if below is None:
            return kind.api_version, kind.kind
        group = kind.group if below.group is None else below.group
        version = kind.version if below.version is None else below.version
        return (f"{group}/{version}" if group else version), below.kind


class Registry:
    """All kinds that are served. Filled while the process is built, read-only afterwards."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str], Entry] = {}

    def register(self, kind: Kind, storage: Storage, watch: WatchSource | None = None) -> None:
        """Serves a kind; `watch` where its changes are recorded under another resource."""
        key = (kind.group, kind.version, kind.resource)
        if key in self._entries:
            raise ValueError(f"{kind.resource} of {kind.api_version} is registered twice")
        self._entries[key] = Entry(
            kind,
            storage,
            watch or WatchSource(kind.group, kind.resource),
            supports(kind.api_version, kind.kind),
            {subresource.name: subresource for subresource in kind.subresources},
        )

    def find(self, target: Target) -> Entry:
        """The kind that serves the target. Raises 404 when none does."""
        entry = self._entries.get((target.group, target.version, target.resource))
        if entry is None or (target.namespace and not entry.kind.namespaced):
            raise generic_not_found()
        if target.name and entry.kind.namespaced and not target.namespace:
            raise generic_not_found()
        if target.subresource and target.subresource not in entry.subresources:
            raise generic_not_found()
        return entry

    def get(self, group: str, version: str, resource: str) -> Entry | None:
        """One kind by its name, None when it is not served."""
        return self._entries.get((group, version, resource))

    @property
    def kinds(self) -> Sequence[Kind]:
        """In the order of registration: what discovery lists."""
        return [entry.kind for entry in self._entries.values()]
