"""Field tables of authentication.k8s.io/v1: who a token or a caller is."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.meta_v1 import OBJECT_META
from tagstream.api.wire.protobuf_schemas.model import (
    boolean,
    extra_map,
    message,
    optional_int64,
    pointer,
    string,
    strings,
    struct,
    time,
)

USER_INFO: Final = message(
    "UserInfo",
    string(1, "username"),
    string(2, "uid"),
    strings(3, "groups"),
    extra_map(4, "extra"),
)
BOUND_OBJECT_REFERENCE: Final = message(
    "BoundObjectReference",
    string(1, "kind"),
    string(2, "apiVersion"),
    string(3, "name"),
    string(4, "uid"),
)
SELF_SUBJECT_REVIEW: Final = message(
    "SelfSubjectReview",
    struct(1, "metadata", OBJECT_META),
    struct(2, "status", message("SelfSubjectReviewStatus", struct(1, "userInfo", USER_INFO))),
)
TOKEN_REVIEW: Final = message(
    "TokenReview",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", message("TokenReviewSpec", string(1, "token"), strings(2, "audiences"))),
    struct(
        3,
        "status",
        message(
            "TokenReviewStatus",
            boolean(1, "authenticated"),
            struct(2, "user", USER_INFO),
            string(3, "error"),
            strings(4, "audiences"),
        ),
    ),
)
TOKEN_REQUEST: Final = message(
    "TokenRequest",
    struct(1, "metadata", OBJECT_META),
    struct(
        2,
        "spec",
        message(
            "TokenRequestSpec",
            strings(1, "audiences"),
            pointer(3, "boundObjectRef", BOUND_OBJECT_REFERENCE),
            optional_int64(4, "expirationSeconds"),
            extra_map(5, "attestations"),
        ),
    ),
    struct(
        3,
        "status",
        message(
            "TokenRequestStatus",
            string(1, "token", shown=True),
            time(2, "expirationTimestamp"),
        ),
    ),
)

#: Kinds of the version `authentication.k8s.io/v1`.
KINDS: Final = {
    "SelfSubjectReview": SELF_SUBJECT_REVIEW,
    "TokenReview": TOKEN_REVIEW,
    "TokenRequest": TOKEN_REQUEST,
}
