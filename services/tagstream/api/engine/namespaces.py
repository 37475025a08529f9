"""The namespace that an object is to be created in: it must exist and not be going away."""

from __future__ import annotations

from tagstream.api.engine.kinds import Kind
from tagstream.api.wire.status import ApiError, forbidden, not_found
from tagstream.store.database import Connection
from tagstream.store.namespaces import NamespacePhase, load_namespace_phase


async def require_active_namespace(
    connection: Connection, kind: Kind, namespace: str, name: str
) -> None:
    """Raises 404 when the namespace is missing and 403 when it is being terminated."""
    phase = await load_namespace_phase(connection, namespace)
    if phase is NamespacePhase.MISSING:
        raise not_found("namespaces", "", namespace)
    if phase is NamespacePhase.TERMINATING:
        raise _terminating(kind, namespace, name)


def _terminating(kind: Kind, namespace: str, name: str) -> ApiError:
    text = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(kind.resource, kind.group, name, text)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    details = {**(error.details or {}), "causes": [cause]}
    return ApiError(error.code, error.reason, error.message, details)
