"""Who am I, whose token is this, and a new token: authentication.k8s.io/v1 and users/~."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from tagstream.api.access.authenticator import Authenticator
from tagstream.api.access.rbac import AUTHENTICATED
from tagstream.api.access.system_objects import format_second
from tagstream.api.access.tokens import ISSUER, TokenClaims, TokenKey
from tagstream.api.engine.context import RequestContext, User
from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.reviews.create_only import CreateOnly, Question
from tagstream.api.wire.field_errors import FieldError, forbidden_value, invalid_value
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import bad_request, invalid, not_found
from tagstream.errors import InvalidInput

GROUP = "authentication.k8s.io"
USER_GROUP = "user.openshift.io"

#: To be declared on `serviceaccounts`; `issue_token` answers it.
TOKEN_SUBRESOURCE = Subresource("token", "TokenRequest", ("create",), GROUP, "v1")

USERS = Kind(USER_GROUP, "v1", "users", "User", "user", False, verbs=("get",))

_SHORTEST_S = 600
_LONGEST_S = 1 << 32
_DEFAULT_S = 3600


def build_identity_reviews(authenticator: Authenticator) -> tuple[Question, ...]:
    """SelfSubjectReview and TokenReview with their storages."""
    reviews = _IdentityReviews(authenticator)
    return (
        Question(_kind("SelfSubjectReview"), CreateOnly(reviews.on_self)),
        Question(_kind("TokenReview"), CreateOnly(reviews.on_token)),
    )


def _kind(kind: str) -> Kind:
    singular = kind.lower()
    return Kind(GROUP, "v1", f"{singular}s", kind, singular, False, verbs=("create",))


@dataclass(frozen=True, slots=True)
class _IdentityReviews:
    authenticator: Authenticator

    async def on_self(self, ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
        metadata = {**wanted["metadata"], "creationTimestamp": format_second(ctx.now)}
        return {**wanted, "metadata": metadata, "status": {"userInfo": user_info(ctx.user)}}

    async def on_token(self, ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
        spec = wanted.get("spec")
        token = spec.get("token") if isinstance(spec, dict) else None
        if not isinstance(token, str) or not token:
            raise bad_request("token is required for TokenReview in authentication")
        asked = spec.get("audiences") if isinstance(spec, dict) else None
        audiences = [str(one) for one in asked] if isinstance(asked, list) and asked else [ISSUER]
        return {**wanted, "status": await self._status(ctx, token, audiences)}

    async def _status(self, ctx: RequestContext, token: str, audiences: list[str]) -> JsonObject:
        try:
            user, claims = await self.authenticator.review(token, ctx.now)
        except InvalidInput as error:
            return {"user": {}, "error": str(error)}
        shared = [one for one in audiences if one in claims.audiences]
        if not shared:
            return {"user": {}, "error": "token: is for another audience"}
        return {"authenticated": True, "user": user_info(user), "audiences": shared}


def user_info(user: User) -> JsonObject:
    """`UserInfo`; what everybody has comes last among the groups."""
    info: JsonObject = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    info["groups"] = sorted(user.groups, key=lambda group: (group == AUTHENTICATED, group))
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


class UserStorage(CreateOnly):
    """users/~: the caller. There is no user database, so no other user is ever found."""

    def __init__(self) -> None:
        super().__init__(_no_creation)

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        if name != "~":
            raise not_found("users", USER_GROUP, name)
        metadata = {"name": ctx.user.name} | ({"uid": ctx.user.uid} if ctx.user.uid else {})
        return {
            "kind": USERS.kind,
            "apiVersion": USERS.api_version,
            "metadata": metadata,
            "identities": None,
            "groups": sorted(ctx.user.groups),
        }


async def _no_creation(ctx: RequestContext, namespace: str, wanted: JsonObject) -> JsonObject:
    raise bad_request("users are not kept here; they come with client certificates")


def issue_token(
    key: TokenKey, ctx: RequestContext, account: JsonObject, wanted: JsonObject
) -> JsonObject:
    """Answers a TokenRequest for an existing service account. Raises 422."""
    found = wanted.get("spec")
    spec = found if isinstance(found, dict) else {}
    metadata = account["metadata"]
    seconds = spec.get("expirationSeconds")
    seconds = _DEFAULT_S if seconds is None else seconds
    audiences = [str(one) for one in spec.get("audiences") or [ISSUER]]
    errors = _request_errors(spec, seconds)
    if errors:
        raise invalid("TokenRequest", GROUP, metadata["name"], errors)
    expires_at = ctx.second + timedelta(seconds=seconds)
    claims = TokenClaims(
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        str(uuid.uuid5(uuid.UUID(ctx.id), "token")),
        ctx.second,
        expires_at,
        tuple(audiences),
    )
    return {
        "kind": "TokenRequest",
        "apiVersion": f"{GROUP}/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "creationTimestamp": format_second(ctx.now),
        },
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": None},
        "status": {
            "token": key.sign(claims),
            "expirationTimestamp": format_second(expires_at),
        },
    }


def _request_errors(spec: JsonObject, seconds: object) -> list[FieldError]:
    errors: list[FieldError] = []
    path = "spec.expirationSeconds"
    if type(seconds) is not int or seconds < _SHORTEST_S:
        detail = "may not specify a duration less than 10 minutes"
        errors.append(invalid_value(path, seconds, detail))
    elif seconds > _LONGEST_S:
        detail = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid_value(path, seconds, detail))
    if spec.get("boundObjectRef") is not None:
        detail = "tokens are bound to their service account only; leave it out"
        errors.append(forbidden_value("spec.boundObjectRef", detail))
    return errors
