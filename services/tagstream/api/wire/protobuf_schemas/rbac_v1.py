"""Field tables of rbac.authorization.k8s.io/v1: roles and their bindings."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.meta_v1 import LABEL_SELECTOR, OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    message,
    pointer,
    string,
    strings,
    struct,
    structs,
)

POLICY_RULE: Final = message(
    "PolicyRule",
    strings(1, "verbs"),
    strings(2, "apiGroups"),
    strings(3, "resources"),
    strings(4, "resourceNames"),
    strings(5, "nonResourceURLs"),
)
SUBJECT: Final = message(
    "Subject",
    string(1, "kind", shown=True),
    string(2, "apiGroup"),
    string(3, "name", shown=True),
    string(4, "namespace"),
)
ROLE_REF: Final = message(
    "RoleRef",
    string(1, "apiGroup", shown=True),
    string(2, "kind", shown=True),
    string(3, "name", shown=True),
)
AGGREGATION_RULE: Final = message(
    "AggregationRule", structs(1, "clusterRoleSelectors", LABEL_SELECTOR)
)
ROLE: Final = message("Role", struct(1, "metadata", OBJECT_META), structs(2, "rules", POLICY_RULE))
CLUSTER_ROLE: Final = message(
    "ClusterRole",
    struct(1, "metadata", OBJECT_META),
    structs(2, "rules", POLICY_RULE),
    pointer(3, "aggregationRule", AGGREGATION_RULE),
)
ROLE_BINDING: Final = message(
    "RoleBinding",
    struct(1, "metadata", OBJECT_META),
    structs(2, "subjects", SUBJECT),
    struct(3, "roleRef", ROLE_REF),
)
CLUSTER_ROLE_BINDING: Final = message(
    "ClusterRoleBinding",
    struct(1, "metadata", OBJECT_META),
    structs(2, "subjects", SUBJECT),
    struct(3, "roleRef", ROLE_REF),
)

#: Kinds of the version `rbac.authorization.k8s.io/v1`.
KINDS: Final = {
    "Role": ROLE,
    "RoleList": list_of(ROLE),
    "ClusterRole": CLUSTER_ROLE,
    "ClusterRoleList": list_of(CLUSTER_ROLE),
    "RoleBinding": ROLE_BINDING,
    "RoleBindingList": list_of(ROLE_BINDING),
    "ClusterRoleBinding": CLUSTER_ROLE_BINDING,
    "ClusterRoleBindingList": list_of(CLUSTER_ROLE_BINDING),
}
