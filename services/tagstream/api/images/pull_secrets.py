"""Registry credentials of a namespace, read through the storage of Secrets."""

from __future__ import annotations

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.storage import ListQuery, Storage
from tagstream.api.wire.json_types import JsonObject

PULL_SECRET_TYPES = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")


class StoredPullSecrets:
    """Implements deps.PullSecrets; who may ask was decided before."""

    def __init__(self, secrets: Storage) -> None:
        self._secrets = secrets

    async def list_pull_secrets(
        self, ctx: RequestContext, namespace: str
    ) -> tuple[list[JsonObject], int]:
        page = await self._secrets.list(ctx, namespace, ListQuery())
        return [s for s in page.items if s.get("type") in PULL_SECRET_TYPES], page.version
