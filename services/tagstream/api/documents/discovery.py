"""Discovery: which groups, versions and resources are served, in the old and aggregated forms.

Pure functions of the registered kinds. Negotiation and caching are `documents.py`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.wire.json_types import JsonObject

Groups = Mapping[str, Mapping[str, Sequence[Kind]]]


def group_kinds(kinds: Iterable[Kind]) -> Groups:
    """Kinds by group and version, groups and versions as registered, kinds by resource name.

    The first version of a group is the preferred one.
    """
    groups: dict[str, dict[str, list[Kind]]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    for versions in groups.values():
        for found in versions.values():
            found.sort(key=lambda kind: kind.resource)
    return groups


def build_api_versions(groups: Groups, server_address: str) -> JsonObject:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": list(groups.get("", {})),
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
        ],
    }


def build_group_list(groups: Groups) -> JsonObject:
    """`/apis`."""
    described = [_describe_group(name, groups[name]) for name in groups if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": described}


def build_group(groups: Groups, name: str) -> JsonObject:
    """`/apis/<group>`."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_describe_group(name, groups[name])}


def _describe_group(name: str, versions: Mapping[str, Sequence[Kind]]) -> JsonObject:
    described = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": described, "preferredVersion": described[0]}


def build_resource_list(group: str, version: str, kinds: Sequence[Kind]) -> JsonObject:
    """`/api/<version>` and `/apis/<group>/<version>`, resources and subresources by name."""
    resources = [entry for kind in kinds for entry in _describe_resources(kind)]
    api_version = f"{group}/{version}" if group else version
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version}
    if not group:
        # Kubernetes itself leaves it out for the old group.
        del head["apiVersion"]
    return {**head, "resources": sorted(resources, key=lambda entry: str(entry["name"]))}


def _describe_resources(kind: Kind) -> list[JsonObject]:
    entry: JsonObject = {
        "name": kind.resource,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": sorted(kind.verbs),
        **_names(kind),
    }
    if "watch" in kind.verbs:
        entry["storageVersionHash"] = _hash_storage_version(kind)
    below = [_describe_subresource(kind, subresource) for subresource in kind.subresources]
    return [entry, *below]


def _describe_subresource(kind: Kind, subresource: Subresource) -> JsonObject:
    entry: JsonObject = {
        "name": f"{kind.resource}/{subresource.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
    }
    if subresource.group is not None:
        entry["group"] = subresource.group
        entry["version"] = subresource.version or kind.version
    return {**entry, "kind": subresource.kind, "verbs": sorted(subresource.verbs)}


def _names(kind: Kind) -> JsonObject:
    names: JsonObject = {}
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return names


def _hash_storage_version(kind: Kind) -> str:
    """Kubernetes' own: the first 8 bytes of SHA-256 over group/version/kind."""
    named = f"{kind.group}/{kind.version}/{kind.kind}"
    return base64.b64encode(hashlib.sha256(named.encode()).digest()[:8]).decode()


def build_aggregated(groups: Groups, version: str, *, core: bool) -> JsonObject:
    """`/api` (core) or `/apis` as one APIGroupDiscoveryList; `version` is v2 or v2beta1."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name} if name else {},
                "versions": [
                    {
                        "version": served,
                        "resources": [_aggregate(kind) for kind in kinds],
                        "freshness": "Current",
                    }
                    for served, kinds in versions.items()
                ],
            }
            for name, versions in groups.items()
            if (not name) == core
        ],
    }


def _aggregate(kind: Kind) -> JsonObject:
    entry: JsonObject = {
        "resource": kind.resource,
        # An empty group and version mean the ones around it.
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": sorted(kind.verbs),
        **_names(kind),
    }
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": below.name,
                "responseKind": {
                    "group": below.group or "",
                    "version": below.version or "" if below.group is not None else "",
                    "kind": below.kind,
                },
                "verbs": sorted(below.verbs),
            }
            for below in sorted(kind.subresources, key=lambda below: below.name)
        ]
    return entry
