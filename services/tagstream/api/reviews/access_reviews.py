"""authorization.k8s.io/v1: may I, may they, and what may I do.

Owns the reading of the four reviews; the answers are the policy's. A request for a namespace or a
project is judged inside that namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagstream.api.access.policy_cache import PolicyCache
from tagstream.api.access.rbac import Rule
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.kinds import Kind
from tagstream.api.reviews.create_only import CreateOnly, Question
from tagstream.api.wire.field_errors import FieldError, invalid_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import bad_request, invalid

GROUP = "authorization.k8s.io"
_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def build_access_reviews(policies: PolicyCache) -> tuple[Question, ...]:
    """The four kinds with their storages."""
    reviews = _AccessReviews(policies)
    return (
        Question(_kind("LocalSubjectAccessReview", True), CreateOnly(reviews.on_local)),
        Question(_kind("SelfSubjectAccessReview", False), CreateOnly(reviews.on_self)),
        Question(_kind("SelfSubjectRulesReview", False), CreateOnly(reviews.on_rules)),
        Question(_kind("SubjectAccessReview", False), CreateOnly(reviews.on_subject)),
    )


def _kind(kind: str, namespaced: bool) -> Kind:
    singular = kind.lower()
    return Kind(GROUP, "v1", f"{singular}s", kind, singular, namespaced, verbs=("create",))


@dataclass(frozen=True, slots=True)
class _AccessReviews:
    policies: PolicyCache

    async def on_self(self, ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
        return await self._judged("SelfSubjectAccessReview", ctx.user, wanted)

    async def on_subject(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject
    ) -> JsonObject:
        return await self._judged("SubjectAccessReview", _subject(wanted, ""), wanted)

    async def on_local(self, ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
        asked = _object(_object(wanted, "spec"), "resourceAttributes").get("namespace", "")
        if asked != namespace:
            detail = f"must match metadata.namespace: {namespace}"
            error = invalid_value("spec.resourceAttributes.namespace", asked, detail)
            raise invalid("LocalSubjectAccessReview", GROUP, "", [error])
        user = _subject(wanted, "Local")
        return await self._judged("LocalSubjectAccessReview", user, wanted)

    async def on_rules(self, ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
        asked = _text(_object(wanted, "spec"), "namespace")
        if not asked:
            raise bad_request("no namespace on request")
        await self.policies.refresh()
        rules, problems = self.policies.policy.rules_for(ctx.user, asked)
        status: JsonObject = {
            "resourceRules": [_rule_json(rule) for rule in rules if not rule.paths],
            "nonResourceRules": [rule.to_json() for rule in rules if rule.paths],
            "incomplete": bool(problems),
        }
        if problems:
            status["evaluationError"] = ", ".join(dict.fromkeys(problems))
        return {**wanted, "status": status}

    async def _judged(self, kind: str, user: User, wanted: JsonObject) -> JsonObject:
        spec = _object(wanted, "spec")
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if (resource is None) == (path is None):
            error = invalid_value("spec.resourceAttributes", resource, _ONE_OF)
            raise invalid(kind, GROUP, "", [error])
        if resource is not None:
            allowed, reason = await self._ask(user, _object(spec, "resourceAttributes"))
        else:
            asked = _object(spec, "nonResourceAttributes")
            policy = self.policies.policy
            allowed, reason = policy.allowed_path(user, _text(asked, "verb"), _text(asked, "path"))
        status: JsonObject = {"allowed": allowed}
        if reason:
            status["reason"] = reason
        return {**wanted, "status": status}

    async def _ask(self, user: User, asked: JsonObject) -> tuple[bool, str]:
        return await self.policies.allowed(
            user,
            _text(asked, "verb"),
            _text(asked, "group"),
            _text(asked, "resource"),
            _text(asked, "subresource"),
            _text(asked, "namespace"),
            _text(asked, "name"),
        )


def _subject(wanted: JsonObject, prefix: str) -> User:
    """The user that a review asks about. Raises 422 when it names nobody."""
    spec = _object(wanted, "spec")
    groups = spec.get("groups") or []
    user = User(_text(spec, "user"), frozenset(str(group) for group in groups), _text(spec, "uid"))
    if not user.name and not user.groups:
        detail = "at least one of user or group must be specified"
        error: FieldError = invalid_value("spec.user", "", detail)
        raise invalid(f"{prefix}SubjectAccessReview", GROUP, "", [error])
    return user


def _rule_json(rule: Rule) -> JsonObject:
    """A resource rule; its lists are shown even when they are empty, save the names."""
    shown: JsonObject = {"verbs": [], "apiGroups": [], "resources": []}
    return shown | rule.to_json()


def _object(item: Mapping[str, object], key: str) -> JsonObject:
    value = item.get(key)
    return value if isinstance(value, dict) else {}


def _text(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""
