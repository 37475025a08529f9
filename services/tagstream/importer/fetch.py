"""Answering an ImportRequest: which images, from where, as whom, and what became of each.

Owns steps 5 to 7 of spec/image-api-and-import.md §6.3 and the repository import of §6.7. It changes
no stream and stores nothing; secrets and cluster configuration are handed in, already loaded.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from tagstream.errors import InvalidInput
from tagstream.images.manifest import InvalidManifest
from tagstream.images.platform import FALLBACK_PLATFORM, Platform
from tagstream.images.reference import (
    DEFAULT_TAG,
    ImageReference,
    InvalidReference,
    parse_image_reference,
)
from tagstream.images.tag_order import sort_tags_for_import
from tagstream.importer.credentials import Keyring, PullSecret, parse_keyring
from tagstream.importer.image_fetcher import (
    FetchedTree,
    ImageFetcher,
    Place,
    WantedImage,
    map_bounded,
)
from tagstream.importer.import_statuses import (
    SUCCESS,
    blocked,
    combine_failures,
    internal_error,
    needs_anonymous_retry,
    status_of_image_error,
    status_of_repository,
    status_of_repository_error,
    unknown_error,
)
from tagstream.registry.blob_cache import BlobCache
from tagstream.registry.credentials import Credentials
from tagstream.registry.errors import RegistryError
from tagstream.registry.transport import Transport
from tagstream.streams.image_stream import ImportMode
from tagstream.streams.import_request import (
    ImageImportResult,
    ImageImportSpec,
    ImportRequest,
    ImportResult,
    ImportStatus,
    RepositoryImportResult,
    RepositoryImportSpec,
)

_log = structlog.get_logger(__name__)

# Requests end at the deadline by themselves, with a text that names the address; this catches the
# waits between them.
_GRACE_S = 0.25
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PullPlan:
    """Where a reference is fetched from: mirrors first, the reference itself usually last.

    `blocked_registry` is the registry as written when the cluster forbids it; `insecure` says that
    the cluster's configuration marks the registry so, whatever the import says.
    """

    sources: tuple[ImageReference, ...]
    insecure: bool = False
    blocked_registry: str = ""


def pull_from_source(reference: ImageReference) -> PullPlan:
    """The plan of a cluster without mirrors and without blocked or insecure registries."""
    return PullPlan((reference,))


@dataclass(frozen=True, slots=True)
class FetchDeps:
    """What a fetch needs; `secrets` are those of the request's namespace, decoded.

    `max_bytes` bounds all manifests and configs of one import together.
    """

    transport: Transport
    blobs: BlobCache = field(default_factory=BlobCache)
    secrets: tuple[PullSecret, ...] = ()
    global_pull_secret: bytes | None = field(default=None, repr=False)
    plan_pull: Callable[[ImageReference], PullPlan] = pull_from_source
    platform: Platform = FALLBACK_PLATFORM
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    parallel_images: int = 16
    parallel_children: int = 8
    max_bytes: int = 256 * _MIB


async def fetch(request: ImportRequest, deps: FetchDeps) -> ImportResult:
    """Fetch everything the request names, within its deadline.

    Never raises for what a registry, a secret or a manifest does: each image has its own status.
    """
    deadline = asyncio.get_running_loop().time() + request.deadline_s
    fetcher = ImageFetcher(
        transport=deps.transport,
        blobs=deps.blobs,
        platform=deps.platform,
        clock=deps.clock,
        deadline=deadline,
        parallel_children=deps.parallel_children,
        remaining_bytes=deps.max_bytes,
    )
    importing = _Import(request, deps, fetcher, deadline)
    images = await importing.fetch_images(request.images)
    if request.repository is None:
        return ImportResult(images)
    return ImportResult(images, await importing.fetch_repository(request.repository))


class _Failed(Exception):
    """An image or a repository has this status instead of content."""

    def __init__(self, status: ImportStatus) -> None:
        super().__init__(status.message)
        self.status = status


class _Import:
    """One request under way: what was wanted so far, and what became of it."""

    def __init__(
        self, request: ImportRequest, deps: FetchDeps, fetcher: ImageFetcher, deadline: float
    ) -> None:
        self._request = request
        self._deps = deps
        self._fetcher = fetcher
        self._deadline = deadline
        self._keyring: Keyring | None = None
        self._keyring_problem = ""
        self._results: dict[WantedImage, ImageImportResult] = {}
        self._places: dict[tuple[str, str, bool, Credentials | None], Place] = {}
        try:
            self._keyring = parse_keyring(deps.secrets, deps.global_pull_secret)
        except InvalidInput as error:
            self._keyring_problem = str(error)
        for secret in deps.secrets:
            if secret.is_mistyped:
                _log.warning(
                    "pull secret ignored for its type", secret=secret.name, type=secret.type
                )

    async def fetch_images(self, specs: Iterable[ImageImportSpec]) -> tuple[ImageImportResult, ...]:
        """Results in the order of the specs; one that does not parse is a failure like others."""
        wanted = [_parse_wanted(spec) for spec in specs]
        await self._fetch_all(item for item in wanted if isinstance(item, WantedImage))
        return tuple(
            self._results[item] if isinstance(item, WantedImage) else item for item in wanted
        )

    async def fetch_repository(self, spec: RepositoryImportSpec) -> RepositoryImportResult:
        """List the tags, import the first `max_tags` of them in §6.7 order, name the rest."""
        try:
            reference = parse_image_reference(spec.from_name)
            tags = await self._list_tags(reference, spec)
        except InvalidReference as error:
            return RepositoryImportResult(internal_error(f"{spec.from_name}: {error}"))
        except _Failed as failed:
            return RepositoryImportResult(failed.status)
        ordered = sort_tags_for_import({tag or DEFAULT_TAG for tag in tags})
        limit = len(ordered) if self._request.max_tags < 0 else self._request.max_tags
        fetched_before = {
            wanted.reference.tag or DEFAULT_TAG
            for wanted in self._results
            if wanted.reference.repository == reference.repository and not wanted.reference.digest
        }
        results = await self._fetch_tags(reference, spec, ordered[:limit])
        return RepositoryImportResult(
            status_of_repository(results),
            results,
            tuple(tag for tag in ordered[limit:] if tag not in fetched_before),
        )

    async def _fetch_tags(
        self, reference: ImageReference, spec: RepositoryImportSpec, tags: list[str]
    ) -> tuple[ImageImportResult, ...]:
        wanted = [
            WantedImage(reference.with_tag(tag), spec.insecure, spec.import_mode)
            if _TAG.fullmatch(tag)
            else _unparsable(tag, f"{reference.repository}:{tag}", "invalid reference format")
            for tag in tags
        ]
        await self._fetch_all(item for item in wanted if isinstance(item, WantedImage))
        return tuple(
            self._results[item] if isinstance(item, WantedImage) else item for item in wanted
        )

    async def _list_tags(self, reference: ImageReference, spec: RepositoryImportSpec) -> list[str]:
        """The tags at the source itself: mirrors are never asked (§6.6)."""
        plan = self._deps.plan_pull(reference)
        if plan.blocked_registry:
            raise _Failed(blocked(plan.blocked_registry))
        insecure = spec.insecure or plan.insecure
        try:
            return await self._list_tags_as(reference, insecure=insecure, anonymous=False)
        except _Failed as failed:
            if not needs_anonymous_retry(failed.status):
                raise
            try:
                return await self._list_tags_as(reference, insecure=insecure, anonymous=True)
            except _Failed as again:
                raise failed if again.status.reason == "Unauthorized" else again from None

    async def _list_tags_as(
        self, reference: ImageReference, *, insecure: bool, anonymous: bool
    ) -> list[str]:
        shown = reference.exact
        try:
            place = self._place(reference, reference, insecure=insecure, anonymous=anonymous)
            async with asyncio.timeout_at(self._deadline + _GRACE_S):
                return await place.client.list_tags(place.repository)
        except TimeoutError:
            raise _Failed(internal_error(f"{shown}: context deadline exceeded")) from None
        except RegistryError as error:
            raise _Failed(status_of_repository_error(shown, error)) from error

    async def _fetch_all(self, wanted: Iterable[WantedImage]) -> None:
        missing = [item for item in dict.fromkeys(wanted) if item not in self._results]
        parallel = min(self._deps.parallel_images, len(missing))
        for result in await map_bounded(missing, parallel, self._fetch_one):
            self._results[result[0]] = result[1]

    async def _fetch_one(self, wanted: WantedImage) -> tuple[WantedImage, ImageImportResult]:
        tag = "" if wanted.reference.digest else wanted.reference.tag or DEFAULT_TAG
        try:
            tree = await self._fetch_as_somebody(wanted)
        except _Failed as failed:
            return wanted, ImageImportResult(tag, failed.status)
        except Exception as error:
            # As text: renderers of exceptions may print local variables, credentials among them.
            trace = "".join(traceback.format_exception(error))
            _log.error("import failed for an unknown reason", traceback=trace)
            repository = wanted.reference.repository
            status = unknown_error(tag, repository, wanted.import_mode)
            return wanted, ImageImportResult(tag, status)
        return wanted, ImageImportResult(tag, SUCCESS, tree.image, tree.children)

    async def _fetch_as_somebody(self, wanted: WantedImage) -> FetchedTree:
        """With the credentials that fit; without any when they are refused as wrong."""
        try:
            return await self._fetch_from_sources(wanted, anonymous=False)
        except _Failed as failed:
            if not needs_anonymous_retry(failed.status):
                raise
            try:
                return await self._fetch_from_sources(wanted, anonymous=True)
            except _Failed as again:
                raise failed if again.status.reason == "Unauthorized" else again from None

    async def _fetch_from_sources(self, wanted: WantedImage, *, anonymous: bool) -> FetchedTree:
        plan = self._deps.plan_pull(wanted.reference)
        if plan.blocked_registry:
            raise _Failed(blocked(plan.blocked_registry))
        failures: list[ImportStatus] = []
        for source in plan.sources:
            insecure = wanted.insecure or plan.insecure
            try:
                place = self._place(
                    source, wanted.reference, insecure=insecure, anonymous=anonymous
                )
                return await self._fetch_from(place, source, wanted)
            except _Failed as failed:
                failures.append(failed.status)
        raise _Failed(combine_failures(failures))

    async def _fetch_from(
        self, place: Place, source: ImageReference, wanted: WantedImage
    ) -> FetchedTree:
        asked = source.digest or source.tag or DEFAULT_TAG
        try:
            async with asyncio.timeout_at(self._deadline + _GRACE_S):
                return await self._fetcher.fetch_tree(place, asked, wanted)
        except TimeoutError:
            late = internal_error(f"{source.normalized}: context deadline exceeded")
            raise _Failed(late) from None
        except (RegistryError, InvalidManifest) as error:
            raise _Failed(status_of_image_error(source.normalized, error)) from error

    def _place(
        self,
        source: ImageReference,
        reference: ImageReference,
        *,
        insecure: bool,
        anonymous: bool,
    ) -> Place:
        if self._keyring is None:
            raise _Failed(internal_error(f"{source.normalized}: {self._keyring_problem}"))
        credentials = None if anonymous else self._keyring.find(source, insecure=insecure)
        key = (source.repository, reference.repository, insecure, credentials)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._build_place(source, reference, insecure, credentials)
        return place

    def _build_place(
        self,
        source: ImageReference,
        reference: ImageReference,
        insecure: bool,
        credentials: Credentials | None,
    ) -> Place:
        if not source.repository_path:
            raise _Failed(internal_error(f"{source.exact}: the reference names no repository"))
        client = self._fetcher.client(
            source.network_host, insecure=insecure, credentials=credentials
        )
        # The stored image names the repository alone, never the tag it was found by.
        return Place(client, source.repository_path, replace(reference, tag="", digest=""))


def _parse_wanted(spec: ImageImportSpec) -> WantedImage | ImageImportResult:
    try:
        reference = parse_image_reference(spec.from_name)
    except InvalidReference as error:
        return _unparsable("", spec.from_name, str(error))
    by_digest = bool(reference.digest)
    return WantedImage(
        reference,
        spec.insecure,
        ImportMode(spec.import_mode),
        prefer_os="" if by_digest else spec.prefer_os,
        prefer_arch="" if by_digest else spec.prefer_arch,
    )


def _unparsable(tag: str, reference: str, reason: str) -> ImageImportResult:
    return ImageImportResult(tag, internal_error(f"{reference}: {reason}"))
