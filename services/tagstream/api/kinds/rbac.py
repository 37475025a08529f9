"""Roles and bindings of rbac.authorization.k8s.io/v1: kept and validated here, obeyed elsewhere."""

from __future__ import annotations

from datetime import datetime

from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.kinds import TableFormat as Table
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import AGE, NAME, age_of, name_of, text
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.wire.field_errors import (
    FieldError,
    invalid_value,
    required_value,
    unsupported_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_path_segment
from tagstream.api.wire.table import Cell

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def _default_binding(item: JsonObject) -> None:
    role = item.setdefault("roleRef", {})
    if not role.get("apiGroup"):
        role["apiGroup"] = GROUP
    for subject in item.get("subjects") or []:
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _validate_binding(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    errors = _validate_role_ref(new)
    for index, subject in enumerate(new.get("subjects") or []):
        errors += _validate_subject(subject, f"subjects[{index}]", new)
    if old is not None and new["roleRef"] != old["roleRef"]:
        errors.append(invalid_value("roleRef", new["roleRef"], "cannot change roleRef"))
    return errors


def _validate_role_ref(new: JsonObject) -> list[FieldError]:
    role, errors = new["roleRef"], []
    kinds = ("ClusterRole",) if new["kind"] == "ClusterRoleBinding" else ("Role", "ClusterRole")
    if role["apiGroup"] != GROUP:
        errors.append(unsupported_value("roleRef.apiGroup", role["apiGroup"], [GROUP]))
    if role.get("kind") not in kinds:
        errors.append(unsupported_value("roleRef.kind", role.get("kind", ""), kinds))
    if not role.get("name"):
        errors.append(required_value("roleRef.name"))
    else:
        complaints = check_path_segment(role["name"])
        errors += [invalid_value("roleRef.name", role["name"], text) for text in complaints]
    return errors


def _validate_subject(subject: JsonObject, path: str, new: JsonObject) -> list[FieldError]:
    errors: list[FieldError] = []
    kind = subject.get("kind", "")
    if not subject.get("name"):
        errors.append(required_value(f"{path}.name"))
    if kind not in _SUBJECTS:
        return [*errors, unsupported_value(f"{path}.kind", kind, _SUBJECTS)]
    group = "" if kind == "ServiceAccount" else GROUP
    if subject.get("apiGroup", "") != group:
        errors.append(unsupported_value(f"{path}.apiGroup", subject.get("apiGroup"), [group]))
    needs_namespace = kind == "ServiceAccount" and new["kind"] == "ClusterRoleBinding"
    if needs_namespace and not subject.get("namespace"):
        errors.append(required_value(f"{path}.namespace"))
    return errors


def _validate_role(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    namespaced = new["kind"] == "Role"
    errors: list[FieldError] = []
    for index, rule in enumerate(new.get("rules") or []):
        errors += _validate_rule(rule, f"rules[{index}]", namespaced=namespaced)
    return errors


def _validate_rule(rule: JsonObject, path: str, *, namespaced: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    if not rule.get("verbs"):
        errors.append(required_value(f"{path}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            errors.append(invalid_value(f"{path}.nonResourceURLs", urls, detail))
        if rule.get("apiGroups") or rule.get("resources"):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid_value(f"{path}.nonResourceURLs", urls, detail))
        return errors
    if not rule.get("apiGroups"):
        detail = "resource rules must supply at least one api group"
        errors.append(required_value(f"{path}.apiGroups", detail))
    if not rule.get("resources"):
        detail = "resource rules must supply at least one resource"
        errors.append(required_value(f"{path}.resources", detail))
    return errors


def _binding_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    role = item.get("roleRef") or {}
    names: dict[str, list[str]] = {kind: [] for kind in _SUBJECTS}
    for subject in item.get("subjects") or []:
        name = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            name = f"{subject.get('namespace', '')}/{name}"
        names.setdefault(subject.get("kind", ""), []).append(name)
    return (
        name_of(item),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age_of(item, now),
        ", ".join(names["User"]),
        ", ".join(names["Group"]),
        ", ".join(names["ServiceAccount"]),
    )


_BINDING_TABLE = Table(
    (
        NAME,
        text("Role"),
        AGE,
        text("Users", wide=True),
        text("Groups", wide=True),
        text("ServiceAccounts", wide=True),
    ),
    _binding_cells,
)


def _rbac(kind: str, table: Table | None, rules: Rules) -> GenericKind:
    return GenericKind(
        Kind(
            GROUP,
            "v1",
            f"{kind.lower()}s",
            kind,
            kind.lower(),
            namespaced=not kind.startswith("Cluster"),
            table=table,
            schema=f"io.k8s.api.rbac.v1.{kind}",
        ),
        rules,
    )


_ROLE_RULES = Rules(validate=_validate_role, check_name=check_path_segment)
_BINDING_RULES = Rules(
    default=_default_binding, validate=_validate_binding, check_name=check_path_segment
)
ROLES = _rbac("Role", None, _ROLE_RULES)
ROLE_BINDINGS = _rbac("RoleBinding", _BINDING_TABLE, _BINDING_RULES)
CLUSTER_ROLES = _rbac("ClusterRole", None, _ROLE_RULES)
CLUSTER_ROLE_BINDINGS = _rbac("ClusterRoleBinding", _BINDING_TABLE, _BINDING_RULES)
