"""A kind that nothing is kept of: POST is a question and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.storage import (
    Changer,
    DeleteOptions,
    ListPage,
    ListQuery,
    WriteOptions,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import generic_method_not_allowed

Answering = Callable[[RequestContext, str, JsonObject], Awaitable[JsonObject]]
"""From the caller, the namespace and the question to the answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A kind whose objects are only ever created, and never kept."""

    kind: Kind
    storage: CreateOnly


class CreateOnly:
    """`Storage` of such a kind. A dry run is no different: nothing is ever written."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        return await self._answering(ctx, namespace, wanted)

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        raise generic_method_not_allowed()

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        raise generic_method_not_allowed()

    async def update(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        change: Changer,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[JsonObject, bool]:
        raise generic_method_not_allowed()

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        raise generic_method_not_allowed()

    async def get_subresource(
        self, ctx: RequestContext, namespace: str, name: str, subresource: str
    ) -> JsonObject:
        raise generic_method_not_allowed()

    async def create_subresource(
        self,
        ctx: RequestContext,
        namespace: str,
        name: str,
        subresource: str,
        wanted: JsonObject,
        options: WriteOptions,
    ) -> JsonObject:
        raise generic_method_not_allowed()
