"""Everything that decides a request, in memory: roles, bindings and service accounts.

Owns the index and the answers, no I/O: `policy_cache.py` keeps it current. One instance serves one
event loop; a change forgets every remembered answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tagstream.api.access.rbac import (
    GROUP,
    MASTERS,
    Binding,
    Rule,
    Subject,
    parse_aggregation,
    parse_binding,
    parse_rules,
)
from tagstream.api.engine.context import User

#: Group and resource of the kinds that the policy is made of.
KINDS: tuple[tuple[str, str], ...] = (
    ("", "serviceaccounts"),
    (GROUP, "roles"),
    (GROUP, "clusterroles"),
    (GROUP, "rolebindings"),
    (GROUP, "clusterrolebindings"),
)
_MOST_ANSWERS = 20_000
_Key = tuple[str, str]

Decision = tuple[bool, str]
"""Whether it is allowed, and why (or what went wrong while looking)."""


@dataclass(frozen=True, slots=True)
class _Role:
    rules: tuple[Rule, ...]
    labels: Mapping[str, str]
    takes_in: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """For every object, or else for those in `names`."""

    decision: Decision
    names: Mapping[str, str] = field(default_factory=dict)

    def for_name(self, name: str) -> Decision:
        if name and name in self.names:
            return True, self.names[name]
        return self.decision


class Policy:
    """The index. `put` and `remove` change it, the rest asks."""

    def __init__(self) -> None:
        self._roles: dict[_Key, _Role] = {}
        # By namespace, "" for cluster role bindings.
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._accounts: dict[_Key, str] = {}
        self._answers: dict[tuple[object, ...], _Answer] = {}

    def put(
        self, resource: str, namespace: str, name: str, uid: str, body: Mapping[str, object]
    ) -> None:
        """An object of one of `KINDS` as it is now."""
        if resource == "serviceaccounts":
            self._accounts[namespace, name] = uid
        elif resource.endswith("bindings"):
            self._bindings.setdefault(namespace, {})[name] = parse_binding(namespace, name, body)
            self._answers.clear()
        else:
            role = _Role(parse_rules(body), _labels(body), parse_aggregation(body))
            self._roles[namespace, name] = role
            self._answers.clear()

    def remove(self, resource: str, namespace: str, name: str) -> None:
        """An object of one of `KINDS` that is gone."""
        if resource == "serviceaccounts":
            self._accounts.pop((namespace, name), None)
        elif resource.endswith("bindings"):
            self._bindings.get(namespace, {}).pop(name, None)
            self._answers.clear()
        else:
            self._roles.pop((namespace, name), None)
            self._answers.clear()

    def account_uid(self, namespace: str, name: str) -> str | None:
        """The uid of a service account, None when there is none."""
        return self._accounts.get((namespace, name))

    def allowed(
        self,
        user: User,
        verb: str,
        group: str,
        resource: str,
        subresource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> Decision:
        """Whether the user may. `namespace` is "" for the whole cluster; for namespaces and
        projects it is `request_scope`. A list with a `metadata.name` selector has that name."""
        if MASTERS in user.groups:
            return True, ""
        key = (user.name, user.groups, verb, group, resource, subresource, namespace)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answer(user, verb, group, resource, subresource, namespace)
            self._remember(key, answer)
        return answer.for_name(name) if answer.names else answer.decision

    def allowed_path(self, user: User, verb: str, path: str) -> Decision:
        """Whether the user may GET (verb `get`) and so on a path that leads to no resource."""
        if MASTERS in user.groups:
            return True, ""
        for rule, reason in self._grants(user, "", []):
            if rule.covers_path(verb, path):
                return True, reason
        return False, ""

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """All rules that hold for a user in a namespace, and what could not be resolved."""
        problems: list[str] = []
        if MASTERS in user.groups:
            every = ("*",)
            return [Rule(every, every, every), Rule(every, paths=every)], problems
        return [rule for rule, _ in self._grants(user, namespace, problems)], problems

    def role_rules(self, binding: Binding) -> tuple[Rule, ...] | None:
        """What a binding would grant; None when its role does not exist."""
        role = self._roles.get(binding.role_key)
        return tuple(self._all_rules(role)) if role is not None else None

    def _answer(
        self, user: User, verb: str, group: str, resource: str, subresource: str, namespace: str
    ) -> _Answer:
        problems: list[str] = []
        names: dict[str, str] = {}
        for rule, reason in self._grants(user, namespace, problems):
            if not rule.covers_kind(verb, group, resource, subresource):
                continue
            if not rule.names:
                return _Answer((True, reason))
            for name in rule.names:
                names.setdefault(name, reason)
        return _Answer((False, _refusal(problems)), names)

    def _remember(self, key: tuple[object, ...], answer: _Answer) -> None:
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[key] = answer

    def _grants(
        self, user: User, namespace: str, problems: list[str]
    ) -> Iterator[tuple[Rule, str]]:
        """Every rule that holds, with its reason: those of the cluster before the namespace's."""
        for scope in dict.fromkeys(("", namespace)):
            for _, binding in sorted(self._bindings.get(scope, {}).items()):
                subject = _find_subject(binding, user)
                if subject is None:
                    continue
                rules = self.role_rules(binding)
                if rules is None:
                    problems.append(binding.missing_role)
                    continue
                reason = binding.reason(subject)
                for rule in rules:
                    yield rule, reason

    def _all_rules(self, role: _Role) -> Iterator[Rule]:
        yield from role.rules
        if not role.takes_in:
            return
        for (scope, _), other in sorted(self._roles.items(), key=lambda item: item[0]):
            if not scope and other is not role and _is_taken_in(role, other):
                yield from other.rules


def _is_taken_in(role: _Role, other: _Role) -> bool:
    return any(wanted.items() <= other.labels.items() for wanted in role.takes_in)


def _find_subject(binding: Binding, user: User) -> Subject | None:
    for subject in binding.subjects:
        if subject.kind == "Group":
            if subject.name in user.groups:
                return subject
        elif subject.kind in ("User", "ServiceAccount") and subject.username == user.name:
            return subject
    return None


def _refusal(problems: list[str]) -> str:
    texts = list(dict.fromkeys(problems))
    if not texts:
        return ""
    return "RBAC: " + (texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]")


def _labels(body: Mapping[str, object]) -> Mapping[str, str]:
    metadata = body.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return dict(labels) if isinstance(labels, Mapping) else {}
