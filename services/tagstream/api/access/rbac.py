"""Role-based access control as values: what rules say and whether they cover a request. Pure.

Owns the reading of Role, ClusterRole and their bindings, the matching of one rule, and the texts of
the reasons. Who is bound to what, for all bindings there are, is `policy.py`.
Source: rbac.authorization.k8s.io/v1; spec/image-api-and-import.md §9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tagstream.api.wire.json_types import JsonObject

GROUP = "rbac.authorization.k8s.io"
ALL = "*"

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ACCOUNT_PREFIX = "system:serviceaccount:"
ACCOUNTS = "system:serviceaccounts"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role. Empty `names` mean every object."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def covers_kind(self, verb: str, group: str, resource: str, subresource: str) -> bool:
        """Whether the rule speaks of this verb on this resource, whatever the object's name."""
        return (
            _has(self.verbs, verb)
            and _has(self.groups, group)
            and any(_is_resource(one, resource, subresource) for one in self.resources)
        )

    def covers_path(self, verb: str, path: str) -> bool:
        """Whether the rule speaks of a URL path that leads to no resource."""
        return _has(self.verbs, verb) and any(_is_path(one, path) for one in self.paths)

    def to_json(self) -> JsonObject:
        """The rule as a role's `rules` hold it; empty lists are left out."""
        lists = {
            "verbs": self.verbs,
            "apiGroups": self.groups,
            "resources": self.resources,
            "resourceNames": self.names,
            "nonResourceURLs": self.paths,
        }
        return {key: list(value) for key, value in lists.items() if value}


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject of a binding. `username` is what an account's user is called."""

    kind: str
    name: str
    namespace: str = ""

    @property
    def username(self) -> str:
        if self.kind == "ServiceAccount":
            return account_username(self.namespace, self.name)
        return self.name

    def __str__(self) -> str:
        name = f"{self.name}/{self.namespace}" if self.kind == "ServiceAccount" else self.name
        return f'{self.kind} "{name}"'


@dataclass(frozen=True, slots=True)
class Binding:
    """A RoleBinding, or with an empty namespace a ClusterRoleBinding."""

    namespace: str
    name: str
    role_kind: str
    role_name: str
    subjects: tuple[Subject, ...]

    @property
    def role_key(self) -> tuple[str, str]:
        """Namespace (empty for a ClusterRole) and name of the role."""
        return ("" if self.role_kind == "ClusterRole" else self.namespace, self.role_name)

    def reason(self, subject: Subject) -> str:
        """Why a request that this binding grants is allowed, in Kubernetes' words."""
        own = (
            f'RoleBinding "{self.name}/{self.namespace}"'
            if self.namespace
            else f'ClusterRoleBinding "{self.name}"'
        )
        return f'RBAC: allowed by {own} of {self.role_kind} "{self.role_name}" to {subject}'

    @property
    def missing_role(self) -> str:
        """What is wrong when the role does not exist."""
        resource = "clusterrole" if self.role_kind == "ClusterRole" else "role"
        return f'{resource}.{GROUP} "{self.role_name}" not found'


def account_username(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"{ACCOUNT_PREFIX}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every service account of a namespace, besides `system:authenticated`."""
    return (ACCOUNTS, f"{ACCOUNTS}:{namespace}")


def split_account(username: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user name stands for, None if for none."""
    if not username.startswith(ACCOUNT_PREFIX):
        return None
    namespace, separator, name = username.removeprefix(ACCOUNT_PREFIX).partition(":")
    if not (namespace and separator and name) or ":" in name:
        return None
    return namespace, name


def request_scope(group: str, resource: str, namespace: str, name: str) -> str:
    """The namespace in which a request is authorized.

    A namespace, and the project that shows it, lies within itself: that is how a RoleBinding in
    it can grant reading or deleting it.
    """
    if (group, resource) in (("", "namespaces"), ("project.openshift.io", "projects")):
        return name
    return namespace


def parse_rules(body: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole; whatever is not of the right shape grants nothing."""
    return tuple(
        Rule(
            verbs=_texts(item, "verbs"),
            groups=_texts(item, "apiGroups"),
            resources=_texts(item, "resources"),
            names=_texts(item, "resourceNames"),
            paths=_texts(item, "nonResourceURLs"),
        )
        for item in _objects(body, "rules")
    )


def parse_binding(namespace: str, name: str, body: Mapping[str, object]) -> Binding:
    """A binding; an account's namespace defaults to the binding's."""
    role = body.get("roleRef")
    role = role if isinstance(role, Mapping) else {}
    subjects = tuple(
        Subject(
            str(item.get("kind", "")),
            str(item.get("name", "")),
            str(item.get("namespace") or namespace) if item.get("kind") == "ServiceAccount" else "",
        )
        for item in _objects(body, "subjects")
    )
    return Binding(namespace, name, str(role.get("kind", "")), str(role.get("name", "")), subjects)


def parse_aggregation(body: Mapping[str, object]) -> tuple[Mapping[str, str], ...]:
    """The label sets (`matchLabels`) of the cluster roles whose rules this one takes in."""
    aggregation = body.get("aggregationRule")
    selectors = (
        _objects(aggregation, "clusterRoleSelectors") if isinstance(aggregation, Mapping) else ()
    )
    labels = [item.get("matchLabels") for item in selectors]
    return tuple(dict(one) for one in labels if isinstance(one, Mapping) and one)


def uncovered_rules(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What of `wanted` nobody who has `held` may hand on, one rule for each single right."""
    mine = list(held)
    return [
        one
        for rule in wanted
        for one in _single_rights(rule)
        if not any(_includes(own, one) for own in mine)
    ]


def _single_rights(rule: Rule) -> Iterator[Rule]:
    names: tuple[tuple[str, ...], ...] = tuple((name,) for name in rule.names) or ((),)
    for verb in rule.verbs:
        for group in rule.groups:
            for resource in rule.resources:
                for name in names:
                    yield Rule((verb,), (group,), (resource,), name)
        for path in rule.paths:
            yield Rule((verb,), paths=(path,))


def _includes(own: Rule, one: Rule) -> bool:
    if one.paths:
        return own.covers_path(one.verbs[0], one.paths[0])
    resource, _, subresource = one.resources[0].partition("/")
    return own.covers_kind(one.verbs[0], one.groups[0], resource, subresource) and (
        not own.names or (bool(one.names) and one.names[0] in own.names)
    )


def _has(values: tuple[str, ...], wanted: str) -> bool:
    return ALL in values or wanted in values


def _is_resource(pattern: str, resource: str, subresource: str) -> bool:
    if not subresource:
        return pattern in (ALL, resource)
    return pattern in (ALL, f"{resource}/{subresource}", f"*/{subresource}")


def _is_path(pattern: str, path: str) -> bool:
    if pattern.endswith(ALL):
        return path.startswith(pattern[:-1])
    return pattern == path


def _objects(body: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    items = body.get(key)
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _texts(item: Mapping[str, object], key: str) -> tuple[str, ...]:
    values = item.get(key)
    return tuple(v for v in values if isinstance(v, str)) if isinstance(values, list) else ()
