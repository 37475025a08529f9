"""Which entry of a manifest list stands for the whole list when one image is wanted.

Owns the Legacy choice of spec/image-api-and-import.md §6.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tagstream.images.manifest import ManifestEntry


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in the words of manifest lists (`linux`, `arm64`, `v8`)."""

    os: str
    architecture: str
    variant: str = ""


FALLBACK_PLATFORM: Final = Platform(os="linux", architecture="amd64")


def choose_manifest(
    entries: Sequence[ManifestEntry],
    preferred: Platform,
    prefer_os: str | None = None,
    prefer_arch: str | None = None,
) -> ManifestEntry | None:
    """The entry to import; None only when the list is empty.

    `prefer_os` and `prefer_arch` (a tag's annotations; None or empty when absent) each replace
    their half of `preferred`, the server's own platform. Without such an entry: the first
    linux/amd64 one, else the first. Variants are ignored.
    """
    wanted = Platform(
        os=prefer_os or preferred.os, architecture=prefer_arch or preferred.architecture
    )
    for platform in (wanted, FALLBACK_PLATFORM):
        for entry in entries:
            if (entry.os, entry.architecture) == (platform.os, platform.architecture):
                return entry
    return entries[0] if entries else None
