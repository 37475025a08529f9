"""Where each kind keeps its containers. Pure.

Owns the kinds that can follow a tag (the seven of the guide, 8.2) and how to read their pod spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagstream.errors import InvalidInput
from tagstream.kube.resources import ResourceType
from tagstream.trigger_dispatcher.field_path import (
    CONTAINER_LISTS,
    ByName,
    Selector,
    no_such_container,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A kind that can follow a tag, and the path of its pod spec."""

    resource: ResourceType
    pod_spec: tuple[str, ...]

    @property
    def base(self) -> str:
        """The path as field paths write it."""
        return ".".join(self.pod_spec)


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it stands in the object; `index` counts within its own list."""

    list_name: str
    index: int
    name: str
    image: str


_TEMPLATE = ("spec", "template", "spec")

TARGETS: tuple[Target, ...] = (
    Target(ResourceType("apps/v1", "Deployment", "deployments"), _TEMPLATE),
    Target(ResourceType("apps/v1", "DaemonSet", "daemonsets"), _TEMPLATE),
    Target(ResourceType("apps/v1", "StatefulSet", "statefulsets"), _TEMPLATE),
    Target(ResourceType("batch/v1", "CronJob", "cronjobs"), ("spec", "jobTemplate", *_TEMPLATE)),
    Target(ResourceType("batch/v1", "Job", "jobs"), _TEMPLATE),
    Target(ResourceType("v1", "ReplicationController", "replicationcontrollers"), _TEMPLATE),
    Target(ResourceType("v1", "Pod", "pods"), ("spec",)),
)
_BY_KIND = {(t.resource.api_version, t.resource.kind): t for t in TARGETS}


def target_of(api_version: str, kind: str) -> Target:
    """The target of a kind. Raises InvalidInput for one that cannot follow tags."""
    target = _BY_KIND.get((api_version, kind))
    if target is None:
        raise InvalidInput("kind", f"{kind} of {api_version} cannot follow image stream tags")
    return target


def list_containers(workload: Mapping[str, object], target: Target) -> tuple[Container, ...]:
    """Every init container, then every container, in the object's order.

    Parts of the object that are missing or malformed count as empty: the server owns validation.
    """
    found: object = workload
    for part in target.pod_spec:
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return ()
    return tuple(
        Container(list_name, index, _text(entry, "name"), _text(entry, "image"))
        for list_name in reversed(CONTAINER_LISTS)
        for index, entry in enumerate(found.get(list_name) or ())
        if isinstance(entry, Mapping)
    )


def find_container(containers: tuple[Container, ...], selector: Selector, path: str) -> Container:
    """The container a path addresses; by name, init containers come first (A3).

    Raises InvalidInput when there is none.
    """
    for container in containers:
        if isinstance(selector, ByName):
            if container.name == selector.name:
                return container
        elif (container.list_name, container.index) == (selector.list_name, selector.index):
            return container
    raise no_such_container(path)


def _text(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    # Postgres cannot keep NUL; a container that holds one is then refused by the patch's tests.
    return value.replace("\0", "\ufffd") if isinstance(value, str) else ""
