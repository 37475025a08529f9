"""Whether something may be created in a namespace."""

from __future__ import annotations

from enum import StrEnum

from tagstream.store.database import Connection


class NamespacePhase(StrEnum):
    """What a namespace says of itself."""

    MISSING = "Missing"
    ACTIVE = "Active"
    TERMINATING = "Terminating"


# A key-share lock: the namespace cannot be removed before this transaction ends.
_PHASE = """
    SELECT body -> 'metadata' ? 'deletionTimestamp' FROM resources
    WHERE api_group = '' AND resource = 'namespaces' AND namespace = '' AND name = $1
    FOR KEY SHARE
"""


async def load_namespace_phase(connection: Connection, name: str) -> NamespacePhase:
    """The phase, held until the end of the transaction."""
    terminating: bool | None = await connection.fetchval(_PHASE, name)
    if terminating is None:
        return NamespacePhase.MISSING
    return NamespacePhase.TERMINATING if terminating else NamespacePhase.ACTIVE
