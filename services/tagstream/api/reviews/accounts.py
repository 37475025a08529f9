"""Service accounts: kept like any generic object, with a `token` subresource that issues one."""

from __future__ import annotations

from tagstream.api.access.tokens import TokenKey
from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.generic_storage import GenericStorage
from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.rules import Rules
from tagstream.api.engine.storage import WriteOptions
from tagstream.api.reviews.identity import TOKEN_SUBRESOURCE, issue_token
from tagstream.api.wire.json_types import JsonObject
from tagstream.store.database import Database


class AccountStorage(GenericStorage):
    """A TokenRequest writes nothing: a token holds as long as the account of that uid exists."""

    def __init__(self, kind: Kind, database: Database, rules: Rules, key: TokenKey) -> None:
        super().__init__(kind, database, rules)
        self._key = key

    async def create_subresource(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        subresource: str,
        wanted: JsonObject,
        options: WriteOptions,
    ) -> JsonObject:
        if subresource != TOKEN_SUBRESOURCE.name:
            return await super().create_subresource(
                ctx, namespace, name, subresource, wanted, options
            )
        return issue_token(self._key, ctx, await self.get(ctx, namespace, name), wanted)
