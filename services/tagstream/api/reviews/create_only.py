"""A kind that nothing is kept of: POST is a question and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.storage import Storage, WriteOptions
from tagstream.api.wire.json_types import JsonObject

Answering = Callable[[RequestContext, str, JsonObject], Awaitable[JsonObject]]
"""From the caller, the namespace and the question to the answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A kind whose objects are only ever created, and never kept."""

    kind: Kind
    storage: CreateOnly


class CreateOnly(Storage):
    """`Storage` of such a kind. A dry run is no different: nothing is ever written."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
        return await self._answering(ctx, namespace, wanted)
