"""From a reference to the image it means: manifests, children, configs, over the network.

Owns what one import shares (clients with their pings and tokens, children and configs fetched
once) and the two import modes (spec/image-api-and-import.md §6.8). Which images are wanted, and
what a failure is called, is `fetch.py` and `import_statuses.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from tagstream.images.image import Image, derive_image, derive_list_image, image_to_json
from tagstream.images.manifest import (
    InvalidManifest,
    ManifestEntry,
    ManifestList,
    SingleManifest,
    parse_manifest,
)
from tagstream.images.platform import Platform, choose_manifest
from tagstream.images.reference import ImageReference
from tagstream.registry.blob_cache import BlobCache
from tagstream.registry.client import FetchedManifest, RegistryClient
from tagstream.registry.credentials import Credentials
from tagstream.registry.errors import MANIFEST_UNKNOWN, TOO_LARGE, RegistryError
from tagstream.registry.transport import Transport
from tagstream.streams.image_stream import ImportMode
from tagstream.streams.import_request import FetchedImage

_MAX_NESTED_LISTS = 3

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image to fetch; equal ones are fetched once. Platform halves may be empty."""

    reference: ImageReference
    insecure: bool
    import_mode: ImportMode
    prefer_os: str = ""
    prefer_arch: str = ""


@dataclass(frozen=True, slots=True)
class FetchedTree:
    """An image and, for a preserved list, its children in list order."""

    image: FetchedImage
    children: tuple[FetchedImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A repository as one account sees it; `reference` is what the stored image is to name."""

    client: RegistryClient
    repository: str
    reference: ImageReference


class OncePerKey(Generic[Key, Value]):
    """Does each key's work once, however many ask for it at the same time or later.

    The first that asks does the work; no task is made, there are thousands of keys.
    """

    def __init__(self) -> None:
        self._outcomes: dict[Key, asyncio.Future[Value]] = {}

    async def get(self, key: Key, work: Callable[[], Awaitable[Value]]) -> Value:
        """The work's value, or its error."""
        while (outcome := self._outcomes.get(key)) is not None:
            try:
                return await asyncio.shield(outcome)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not outcome.cancelled() or (task is not None and task.cancelling()):
                    raise
                # Whoever did the work was stopped, we were not: do it ourselves.
        return await self._do(key, work)

    async def _do(self, key: Key, work: Callable[[], Awaitable[Value]]) -> Value:
        outcome = asyncio.get_running_loop().create_future()
        self._outcomes[key] = outcome
        try:
            value = await work()
        except asyncio.CancelledError:
            del self._outcomes[key]
            outcome.cancel()
            raise
        except Exception as error:
            outcome.set_exception(error)
            # Marked as seen: perhaps nobody else asks.
            outcome.exception()
            raise
        outcome.set_result(value)
        return value


async def map_bounded(
    items: Iterable[Item], parallel: int, work: Callable[[Item], Awaitable[Value]]
) -> list[Value]:
    """Apply `work` to all items, `parallel` at a time, results in order.

    The first error ends the others and is raised alone.
    """
    numbered = enumerate(items)
    results: dict[int, Value] = {}

    async def run_worker() -> None:
        for index, item in numbered:
            results[index] = await work(item)

    workers = [asyncio.ensure_future(run_worker()) for _ in range(parallel)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[index] for index in range(len(results))]


@dataclass(slots=True)
class ImageFetcher:
    """Fetches for one import.

    `deadline` is in the event loop's time; `remaining_bytes` is what all images together may take.
    """

    transport: Transport
    blobs: BlobCache
    platform: Platform
    clock: Callable[[], datetime]
    deadline: float
    parallel_children: int
    remaining_bytes: int
    _clients: dict[tuple[str, bool, Credentials | None], RegistryClient] = field(
        default_factory=dict
    )
    _children: OncePerKey[tuple[int, str, str], FetchedTree] = field(default_factory=OncePerKey)
    _configs: OncePerKey[tuple[int, str, str], bytes] = field(default_factory=OncePerKey)

    def client(
        self, host: str, *, insecure: bool, credentials: Credentials | None
    ) -> RegistryClient:
        """The one client for this host, flag and account."""
        key = (host, insecure, credentials)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = RegistryClient(
                self.transport,
                host,
                insecure=insecure,
                credentials=credentials,
                deadline=self.deadline,
                blobs=self.blobs,
            )
        return client

    async def fetch_tree(self, place: Place, asked: str, wanted: WantedImage) -> FetchedTree:
        """Fetch by tag or digest and do what the import mode says about lists.

        Raises RegistryError, or InvalidManifest when what came is no image.
        """
        fetched = await self._get_manifest(place, asked)
        parsed = parse_manifest(fetched.raw, fetched.content_type)
        if isinstance(parsed, SingleManifest):
            return await self._build_single(place, parsed, fetched.raw)
        if wanted.import_mode == ImportMode.PRESERVE_ORIGINAL:
            return await self._build_list(place, parsed, fetched.raw)
        chosen = self._choose(parsed, wanted.prefer_os, wanted.prefer_arch)
        return await self._fetch_child(place, chosen.digest)

    async def _build_list(self, place: Place, parsed: ManifestList, raw: bytes) -> FetchedTree:
        # Derived first: an entry without a platform fails before anything else is fetched.
        image = derive_list_image(place.reference, parsed, self.clock())
        trees = await map_bounded(
            parsed.entries,
            min(self.parallel_children, len(parsed.entries)),
            lambda entry: self._fetch_child(place, entry.digest),
        )
        return FetchedTree(_fetched(image, raw), tuple(tree.image for tree in trees))

    async def _fetch_child(self, place: Place, digest: str) -> FetchedTree:
        key = (id(place.client), place.reference.repository, digest)
        return await self._children.get(key, lambda: self._load_child(place, digest))

    async def _load_child(self, place: Place, digest: str) -> FetchedTree:
        """A child resolved to one image: lists inside lists are chosen from, not kept (§6.8)."""
        for _ in range(_MAX_NESTED_LISTS):
            fetched = await self._get_child_manifest(place, digest)
            parsed = parse_manifest(fetched.raw, fetched.content_type)
            if isinstance(parsed, SingleManifest):
                return await self._build_single(place, parsed, fetched.raw)
            digest = self._choose(parsed, "", "").digest
        raise InvalidManifest(f"manifest lists are nested more than {_MAX_NESTED_LISTS} deep")

    def _choose(self, parsed: ManifestList, prefer_os: str, prefer_arch: str) -> ManifestEntry:
        chosen = choose_manifest(parsed.entries, self.platform, prefer_os, prefer_arch)
        if chosen is None:
            raise InvalidManifest("no manifests in manifest list")
        return chosen

    async def _build_single(self, place: Place, parsed: SingleManifest, raw: bytes) -> FetchedTree:
        config = b""
        layer_sizes: dict[str, int] = {}
        if parsed.config is not None:
            config = await self._get_config(place, parsed.config.digest)
        elif unsized := parsed.unsized_layers:
            sizes = await map_bounded(
                unsized,
                min(self.parallel_children, len(unsized)),
                lambda digest: place.client.head_blob(place.repository, digest),
            )
            layer_sizes = dict(zip(unsized, sizes, strict=True))
        image = derive_image(place.reference, parsed, config, layer_sizes=layer_sizes)
        return FetchedTree(_fetched(image, raw, config))

    async def _get_manifest(self, place: Place, asked: str) -> FetchedManifest:
        fetched = await place.client.get_manifest(place.repository, asked)
        self._count(fetched.raw)
        return fetched

    async def _get_child_manifest(self, place: Place, digest: str) -> FetchedManifest:
        try:
            return await self._get_manifest(place, digest)
        except RegistryError as error:
            if error.error_code != MANIFEST_UNKNOWN:
                raise
            # Not "not found": the tag exists, its list is broken.
            raise InvalidManifest(f"manifest {digest} of the list: {error}") from error

    async def _get_config(self, place: Place, digest: str) -> bytes:
        key = (id(place.client), place.repository, digest)
        return await self._configs.get(key, lambda: self._load_config(place, digest))

    async def _load_config(self, place: Place, digest: str) -> bytes:
        config = await place.client.get_blob(place.repository, digest)
        self._count(config)
        return config

    def _count(self, content: bytes) -> None:
        # Each answer is bounded, but a list may name a thousand of them.
        self.remaining_bytes -= len(content)
        if self.remaining_bytes < 0:
            raise RegistryError(TOO_LARGE, 0, "the images of this import are too large together")


def _fetched(image: Image, raw_manifest: bytes, raw_config: bytes = b"") -> FetchedImage:
    return FetchedImage(image.name, image_to_json(image), raw_manifest, raw_config)
