"""May the caller do this: the question to the authorizer, and the 403 in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Mapping

from tagstream.api.engine.context import User
from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.routing import Target
from tagstream.api.server.ports import Authorizer
from tagstream.api.wire.selectors import parse_field_selector
from tagstream.api.wire.status import ApiError, forbidden

_NAMED_BY_SELECTOR = frozenset({"list", "watch", "deletecollection"})


async def authorize(
    authorizer: Authorizer,
    user: User,
    verb: str,
    target: Target,
    kind: Kind,
    query: Mapping[str, str],
) -> None:
    """Raises 403 unless the user may. A list of one name asks for that name."""
    namespace, name = target.namespace, target.name
    if not target.group and target.resource == "namespaces":
        # A right inside a namespace covers the namespace's own object.
        namespace = name
    if not name and verb in _NAMED_BY_SELECTOR and "fieldSelector" in query:
        name = _selected_name(query["fieldSelector"], kind)
    allowed, reason = await authorizer.allowed(
        user, verb, target.group, target.resource, target.subresource, namespace, name
    )
    if not allowed:
        raise _refusal(user, verb, target, namespace, reason)


def _selected_name(text: str, kind: Kind) -> str:
    supported = ("metadata.name", "metadata.namespace", *kind.selectable_fields)
    try:
        selector = parse_field_selector(text, supported)
    except ApiError:
        # The verb refuses it with the right 400, if the caller may come that far.
        return ""
    return selector.required_value("metadata.name") or ""


def _refusal(user: User, verb: str, target: Target, namespace: str, reason: str) -> ApiError:
    resource = target.resource + (f"/{target.subresource}" if target.subresource else "")
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    cause = (
        f'User "{user.name}" cannot {verb} resource "{resource}" '
        f'in API group "{target.group}" {where}'
    )
    if reason:
        cause += f": {reason}"
    return forbidden(target.resource, target.group, target.name, cause)
