"""Field tables of authorization.k8s.io/v1: access reviews."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.meta_v1 import (
    FIELD_SELECTOR_REQUIREMENT,
    LABEL_SELECTOR_REQUIREMENT,
    OBJECT_META,
)
from tagstream.api.wire.protobuf_schemas.model import (
    MessageSpec,
    boolean,
    extra_map,
    message,
    pointer,
    string,
    strings,
    struct,
    structs,
)

RESOURCE_ATTRIBUTES: Final = message(
    "ResourceAttributes",
    string(1, "namespace"),
    string(2, "verb"),
    string(3, "group"),
    string(4, "version"),
    string(5, "resource"),
    string(6, "subresource"),
    string(7, "name"),
    pointer(
        8,
        "fieldSelector",
        message(
            "FieldSelectorAttributes",
            string(1, "rawSelector"),
            structs(2, "requirements", FIELD_SELECTOR_REQUIREMENT),
        ),
    ),
    pointer(
        9,
        "labelSelector",
        message(
            "LabelSelectorAttributes",
            string(1, "rawSelector"),
            structs(2, "requirements", LABEL_SELECTOR_REQUIREMENT),
        ),
    ),
)
NON_RESOURCE_ATTRIBUTES: Final = message(
    "NonResourceAttributes", string(1, "path"), string(2, "verb")
)
SELF_REVIEW_SPEC: Final = message(
    "SelfSubjectAccessReviewSpec",
    pointer(1, "resourceAttributes", RESOURCE_ATTRIBUTES),
    pointer(2, "nonResourceAttributes", NON_RESOURCE_ATTRIBUTES),
)
REVIEW_SPEC: Final = message(
    "SubjectAccessReviewSpec",
    pointer(1, "resourceAttributes", RESOURCE_ATTRIBUTES),
    pointer(2, "nonResourceAttributes", NON_RESOURCE_ATTRIBUTES),
    string(3, "user"),
    strings(4, "groups"),
    extra_map(5, "extra"),
    string(6, "uid"),
)
REVIEW_STATUS: Final = message(
    "SubjectAccessReviewStatus",
    boolean(1, "allowed", shown=True),
    string(2, "reason"),
    string(3, "evaluationError"),
    boolean(4, "denied"),
)
RESOURCE_RULE: Final = message(
    "ResourceRule",
    strings(1, "verbs"),
    strings(2, "apiGroups"),
    strings(3, "resources"),
    strings(4, "resourceNames"),
)
NON_RESOURCE_RULE: Final = message(
    "NonResourceRule", strings(1, "verbs"), strings(2, "nonResourceURLs")
)
RULES_STATUS: Final = message(
    "SubjectRulesReviewStatus",
    structs(1, "resourceRules", RESOURCE_RULE, shown=True),
    structs(2, "nonResourceRules", NON_RESOURCE_RULE, shown=True),
    boolean(3, "incomplete", shown=True),
    string(4, "evaluationError"),
)


def _review(name: str, spec: MessageSpec, status: MessageSpec) -> MessageSpec:
    return message(
        name,
        struct(1, "metadata", OBJECT_META),
        struct(2, "spec", spec),
        struct(3, "status", status),
    )


#: Kinds of the version `authorization.k8s.io/v1`.
KINDS: Final = {
    "SelfSubjectAccessReview": _review("SelfSubjectAccessReview", SELF_REVIEW_SPEC, REVIEW_STATUS),
    "SubjectAccessReview": _review("SubjectAccessReview", REVIEW_SPEC, REVIEW_STATUS),
    "LocalSubjectAccessReview": _review("LocalSubjectAccessReview", REVIEW_SPEC, REVIEW_STATUS),
    "SelfSubjectRulesReview": _review(
        "SelfSubjectRulesReview",
        message("SelfSubjectRulesReviewSpec", string(1, "namespace")),
        RULES_STATUS,
    ),
}
