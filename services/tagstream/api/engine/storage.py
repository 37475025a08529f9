"""The one interface between the verbs and what is stored: a kind's storage.

Everything speaks whole objects as JSON with `apiVersion` and `kind` set and
`metadata.resourceVersion` a decimal string. Every method raises ApiError for what a client did
wrong, and tagstream.errors.Conflict or Unavailable for a lost race or an absent server; the engine
answers those. A verb whose method a storage does not have is answered with 405 by its kind's
declaration, never reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tagstream.api.engine.context import RequestContext
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.selectors import FieldSelector, LabelSelector
from tagstream.api.wire.status import generic_method_not_allowed


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a LIST asks for. `limit` 0 means all; `after` is the last (namespace, name) of the page
    before, and `at_version` then the version of the first page."""

    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: FieldSelector = field(default_factory=FieldSelector)
    limit: int = 0
    after: tuple[str, str] = ("", "")
    at_version: int = 0


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a LIST. `version` 0 leaves the list's resourceVersion out (istags have none).

    `next_after` is set when there is more; `remaining` is then how many, if that is known.
    """

    items: Sequence[JsonObject]
    version: int
    next_after: tuple[str, str] | None = None
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """`dryRun=All`, the field manager, and what else a write may say."""

    dry_run: bool = False
    field_manager: str = ""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The DeleteOptions that we honour. Empty preconditions are no preconditions."""

    dry_run: bool = False
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    grace_period_s: int | None = None


# From the object now (None when there is none) to the object wanted. It runs inside the
# transaction, possibly again after a lost race, and may raise ApiError.
Changer = Callable[[JsonObject | None], JsonObject]


class Storage(Protocol):
    """What the verbs need of a kind. `namespace` is "" for cluster-scoped kinds.

    Who inherits it refuses with 405 what it does not define.
    """

    async def get(self, ctx: RequestContext, namespace: str, name: str) -> JsonObject:
        raise generic_method_not_allowed()

    async def list(self, ctx: RequestContext, namespace: str, query: ListQuery) -> ListPage:
        raise generic_method_not_allowed()

    async def create(
        self, ctx: RequestContext, namespace: str, wanted: JsonObject, options: WriteOptions
    ) -> JsonObject:
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
        """The stored object, and whether it was created. Serves PUT and PATCH alike."""
        raise generic_method_not_allowed()

    async def delete(
        self, ctx: RequestContext, namespace: str, name: str, options: DeleteOptions
    ) -> JsonObject:
        """The object that now awaits its finalizers, or a Status of success."""
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
