"""What the storages of the image kinds are built from, and the steps they share."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tagstream.api.engine.context import RequestContext, User
from tagstream.api.images.convert import GROUP, RegistryNames
from tagstream.api.wire.field_errors import (
    FieldError,
    FieldErrorType,
    internal_error,
    invalid_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.status import ApiError, conflict, forbidden, invalid, not_found
from tagstream.errors import Conflict
from tagstream.images.platform import Platform
from tagstream.store.database import Connection, Database
from tagstream.store.namespaces import NamespacePhase, load_namespace_phase
from tagstream.store.streams import load_sources
from tagstream.streams.image_stream import ImageStream, SourceKind, TagReference
from tagstream.streams.import_request import ImportRequest
from tagstream.streams.problems import InvalidStream, Problem
from tagstream.streams.sources import (
    BadSource,
    ResolvedSource,
    SourceQuery,
    needed_sources,
    parse_source,
)
from tagstream.streams.spec_write import changed_tags

T = TypeVar("T")
_TRIES = 5


class Access(Protocol):
    """Asks whether a user may do something; the api's authorizer."""

    async def allowed(
        self,
        user: User,
        verb: str,
        group: str,
        resource: str,
        subresource: str,
        namespace: str,
        name: str,
    ) -> tuple[bool, str]: ...


class Fetcher(Protocol):
    """Asks an importer to fetch now. Answers the JSON of an ImportResult; the images themselves
    wait in the manifest cache. Raises Unavailable when no importer answers in time."""

    async def fetch(self, request: ImportRequest, *, traceparent: str) -> Mapping[str, object]: ...


class PullSecrets(Protocol):
    """Reads the secrets of a namespace that hold registry credentials, data included."""

    async def list_pull_secrets(
        self, ctx: RequestContext, namespace: str
    ) -> tuple[list[JsonObject], int]:
        """The secrets and the version of the list."""
        ...


@dataclass(frozen=True, slots=True)
class ImageDeps:
    """The edge of every image kind. `max_bulk_tags` bounds a repository import (§6.7)."""

    database: Database
    access: Access
    fetcher: Fetcher
    secrets: PullSecrets
    names: RegistryNames = field(default_factory=RegistryNames)
    platform: Platform = field(default_factory=lambda: Platform("linux", "amd64"))
    max_bulk_tags: int = 50


async def retried(work: Callable[[], Awaitable[T]]) -> T:
    """Runs a transaction again when another one came first; at most five times."""
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except Conflict:
            continue
    return await work()


async def require_namespace(connection: Connection, namespace: str, target: str) -> None:
    """Raises 404 for a missing namespace and 403 for one that is being terminated."""
    phase = await load_namespace_phase(connection, namespace)
    if phase is NamespacePhase.MISSING:
        raise not_found("namespaces", "", namespace)
    if phase is NamespacePhase.TERMINATING:
        raise forbidden(
            "imagestreams",
            GROUP,
            target,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )


def new_uid(ctx: RequestContext, what: str) -> str:
    """A uid that follows from the request, so that a replay makes the same one."""
    return str(uuid.uuid5(uuid.UUID(ctx.id), what))


async def load_needed_sources(
    deps: ImageDeps,
    ctx: RequestContext,
    connection: Connection,
    before: ImageStream | None,
    wanted: ImageStream,
) -> dict[SourceQuery, ResolvedSource]:
    """What new and changed tags refer to, after asking whether the caller may read it (§9.3)."""
    changed = changed_tags(before, wanted)
    answers = [await _refusal(deps, ctx, wanted, ref) for ref in changed]
    refused = [answer for answer in answers if answer is not None]
    if refused:
        raise invalid("ImageStream", GROUP, wanted.name, refused)
    return await load_sources(connection, needed_sources(wanted, changed))


async def _refusal(
    deps: ImageDeps, ctx: RequestContext, stream: ImageStream, ref: TagReference
) -> FieldError | None:
    source = ref.source
    if source is None or source.namespace in ("", stream.namespace):
        return None
    if source.kind == SourceKind.DOCKER_IMAGE:
        return None
    try:
        query = parse_source(source, stream.namespace, stream.name)
    except BadSource:
        return None
    allowed, reason = await deps.access.allowed(
        ctx.user, "get", GROUP, "imagestreams", "layers", query.namespace, query.stream
    )
    if allowed:
        return None
    text = (
        f'imagestreams "{stream.name}" is invalid: spec.tags[{ref.name}].from: Forbidden: '
        f'{query.namespace}/{query.stream}: "{reason}" ""'
    )
    return internal_error("[]", text)


def invalid_stream(name: str, error: InvalidStream) -> ApiError:
    """The 422 of a stream that was refused; what was found while following sources comes first,
    wrapped as OpenShift wraps it (§3.5)."""
    return invalid(
        "ImageStream", GROUP, name, [to_field_error(name, problem) for problem in error.problems]
    )


def to_field_error(name: str, problem: Problem) -> FieldError:
    plain = FieldError(
        problem.field, FieldErrorType(problem.kind.value), problem.value, problem.detail
    )
    if not problem.is_internal:
        return plain
    return internal_error("[]", f'imagestreams "{name}" is invalid: {plain}')


def check_version(
    resource: str, name: str, body: JsonObject, version: int, *, required: bool
) -> None:
    """Optimistic concurrency of a PUT or PATCH: 422 without a resourceVersion where one is
    needed, 409 for another than the stored one."""
    text = (body.get("metadata") or {}).get("resourceVersion") or ""
    if not text:
        if required:
            field = "metadata.resourceVersion"
            raise invalid(
                resource,
                GROUP,
                name,
                [invalid_value(field, 0, "must be specified for an update")],
            )
        return
    if text != str(version):
        raise conflict(resource, GROUP, name)


def command_name(ctx: RequestContext) -> str:
    """What the caller used, for histories: `oc`, `kubectl`, `curl`."""
    return ctx.agent.partition("/")[0].partition(" ")[0] or "api"
