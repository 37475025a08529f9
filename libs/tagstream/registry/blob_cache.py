"""What a process remembers of blobs: small verified ones whole, layers by size; both bounded.

Owns eviction (least recently used) only. The key has the host and repository: a digest alone would
let whoever controls any registry read another namespace's image configuration by naming its digest.
"""

from __future__ import annotations

from collections import OrderedDict

_OVERHEAD_BYTES = 400
_SIZES = 2048


class BlobCache:
    """Least recently used goes first; the blobs are at most `capacity_bytes` together."""

    def __init__(self, capacity_bytes: int = 32 * 1024 * 1024) -> None:
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._blobs: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._sizes: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def get(self, host: str, repository: str, digest: str) -> bytes | None:
        """The blob, or None when it is not held."""
        key = (host, repository, digest)
        blob = self._blobs.get(key)
        if blob is not None:
            self._blobs.move_to_end(key)
        return blob

    def put(self, host: str, repository: str, digest: str, blob: bytes) -> None:
        """Hold the blob unless it alone is more than an eighth of the capacity."""
        key = (host, repository, digest)
        if key in self._blobs or len(blob) > self._capacity_bytes // 8:
            return
        self._blobs[key] = blob
        self._held_bytes += len(blob) + _OVERHEAD_BYTES
        while self._held_bytes > self._capacity_bytes:
            _, dropped = self._blobs.popitem(last=False)
            self._held_bytes -= len(dropped) + _OVERHEAD_BYTES

    def get_size(self, host: str, repository: str, digest: str) -> int | None:
        """The bytes of a layer that was asked for before."""
        return self._sizes.get((host, repository, digest))

    def put_size(self, host: str, repository: str, digest: str, size_bytes: int) -> None:
        """Remember a layer's size, one of the last 2048 (spec/image-api-and-import.md §6.6)."""
        self._sizes[(host, repository, digest)] = size_bytes
        if len(self._sizes) > _SIZES:
            self._sizes.popitem(last=False)
