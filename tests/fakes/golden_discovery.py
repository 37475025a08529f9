"""Discovery documents reduced to what this server is meant to serve.

Owns that list. A real cluster serves far more groups; those that we serve must look the same. What
that cluster did not serve (our own groups, and users, whose server did not run) is not compared.
"""

from __future__ import annotations

from typing import Any

_REQUIRED = {
    "",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "batch",
    "events.k8s.io",
    "image.openshift.io",
    "project.openshift.io",
    "rbac.authorization.k8s.io",
}
"""Groups that must be there; of the others only those we serve are compared."""

_SHOWN_OTHERWISE = {"apiextensions.k8s.io", "config.openshift.io"}
"""Groups that are never written here, or that a cluster makes of custom resource definitions, so
that verbs and kinds are listed in another way."""

_NOT_YET = {"imagesignatures"}
"""Resources of a later issue."""


def only_what_both_serve(expected: Any, got: Any) -> tuple[Any, Any]:
    """Both documents, without what a cluster serves and we need not, sorted by name."""
    kind = expected.get("kind") if isinstance(expected, dict) else None
    if not isinstance(got, dict) or got.get("kind") != kind:
        return expected, got
    if kind == "APIGroupList":
        return _reduce_groups(expected, got)
    if kind == "APIGroupDiscoveryList":
        return _reduce_discovery(expected, got)
    if kind == "APIResourceList":
        return _with_list(expected, got, "resources", "name", _NOT_YET)
    return expected, got


def _reduce_groups(expected: Any, got: Any) -> tuple[Any, Any]:
    known = {group["name"] for group in expected["groups"]}
    ours = [group for group in got["groups"] if group["name"] in known]
    served = {group["name"] for group in ours} | _REQUIRED
    wanted = [group for group in expected["groups"] if group["name"] in served]
    by_name = {group["name"]: group for group in ours}
    for group in wanted:
        _keep_versions(group, by_name.get(group["name"], group), "version")
    return (
        {**expected, "groups": sorted(wanted, key=lambda group: group["name"])},
        {**got, "groups": sorted(ours, key=lambda group: group["name"])},
    )


def _reduce_discovery(expected: Any, got: Any) -> tuple[Any, Any]:
    def name(item: Any) -> str:
        found: str = item["metadata"].get("name", "")
        return found

    known = {name(item) for item in expected["items"]} - _SHOWN_OTHERWISE
    ours = [item for item in got["items"] if name(item) in known]
    by_name = {name(item): item for item in ours}
    wanted = [item for item in expected["items"] if name(item) in by_name.keys() | _REQUIRED]
    for item in wanted:
        counterpart = by_name.get(name(item), item)
        _keep_versions(item, counterpart, "version")
        for theirs, mine in zip(item["versions"], counterpart["versions"], strict=False):
            _keep_resources(theirs, mine, complete=name(item) == "image.openshift.io")
    return (
        {**expected, "items": sorted(wanted, key=name)},
        {**got, "items": sorted(ours, key=name)},
    )


def _keep_versions(theirs: Any, ours: Any, key: str) -> None:
    served = {version[key] for version in ours["versions"]}
    theirs["versions"] = [version for version in theirs["versions"] if version[key] in served]


def _keep_resources(theirs: Any, ours: Any, *, complete: bool) -> None:
    served = {resource["resource"] for resource in ours["resources"]}
    subresources = {
        (resource["resource"], sub["subresource"])
        for resource in ours["resources"]
        for sub in resource.get("subresources", ())
    }
    theirs["resources"] = [
        _keep_subresources(resource, subresources, complete)
        for resource in theirs["resources"]
        if resource["resource"] in served or (complete and resource["resource"] not in _NOT_YET)
    ]


def _keep_subresources(resource: Any, served: set[tuple[str, str]], complete: bool) -> Any:
    kept = [
        sub
        for sub in resource.get("subresources", ())
        if complete or (resource["resource"], sub["subresource"]) in served
    ]
    reduced = {key: value for key, value in resource.items() if key != "subresources"}
    return {**reduced, "subresources": kept} if kept else reduced


def _with_list(expected: Any, got: Any, field: str, key: str, not_yet: set[str]) -> tuple[Any, Any]:
    served = {item[key] for item in got[field]}
    wanted = [item for item in expected[field] if item[key] in served or item[key] not in not_yet]
    return {**expected, field: wanted}, got
