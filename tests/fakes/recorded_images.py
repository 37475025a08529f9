"""Images equivalent to those of the recordings, and which recorded digest each one stands for.

Roles are found in the recordings themselves: every image there carries its seed as a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakes.images import BuiltImage, BuiltIndex, build_image, build_index, sha256_digest
from fakes.recordings import Case, all_bodies
from fakes.registry import FakeRegistry

RECORDED_REGISTRY = "127.0.0.1:15000"
_PYTHON_TAGS = ("3.5", "3.6")
_PLATFORMS = {
    "multi-linux-amd64-None": "linux/amd64",
    "multi-linux-arm64-v8": "linux/arm64/v8",
    "multi-linux-ppc64le-None": "linux/ppc64le",
    "multi-linux-s390x-None": "linux/s390x",
}


@dataclass(slots=True)
class ImageRoles:
    """What stands for what: recorded digests to built ones, and the bytes behind those."""

    digests: dict[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def size(self, digest: str) -> int | None:
        """Bytes of a built manifest, config or layer; None for others."""
        return len(self.contents[digest]) if digest in self.contents else None

    def image_size(self, config: str) -> int | None:
        """What OpenShift calls an image's size: its config and its layers."""
        return self._image_sizes.get(config)

    _image_sizes: dict[str, int] = field(default_factory=dict)

    def add_image(self, recorded: dict[str, Any], built: BuiltImage) -> None:
        """Let `built` stand for the recorded image object."""
        self._add(recorded["metadata"]["name"], built.manifest)
        self._add(recorded["dockerImageMetadata"]["Id"], built.config)
        for described, layer in zip(recorded["dockerImageLayers"], built.layers, strict=True):
            self._add(described["name"], layer)
        self._image_sizes[sha256_digest(built.config)] = sum(len(blob) for blob in built.blobs)

    def add_index(self, recorded: dict[str, Any], built: BuiltIndex) -> None:
        """Let `built` stand for the recorded list."""
        self._add(recorded["metadata"]["name"], built.manifest)

    def _add(self, recorded: str, content: bytes) -> None:
        digest = sha256_digest(content)
        self.digests[recorded] = digest
        self.contents[digest] = content


def serve_recorded_images(
    registry: FakeRegistry, cases: Sequence[Case], built_for: str = ""
) -> ImageRoles:
    """Put the recorded registry's images into ours, with digests of their own for each use."""
    recorded = {
        _seed(image): image
        for body in all_bodies(cases)
        for image in _find_images(body)
        if "dockerImageLayers" in image or "dockerImageManifests" in image
    }
    roles = ImageRoles()
    for tag in _PYTHON_TAGS:
        built = _build(f"python-{tag}", "linux/amd64", built_for)
        roles.add_image(recorded[f"python-{tag}"], built)
        registry.add_built("story/python", tag, built)
    children = []
    for seed, platform in _PLATFORMS.items():
        children.append(_build(seed, platform, built_for))
        roles.add_image(recorded[seed], children[-1])
    listed = build_index(children)
    roles.add_index(recorded[""], listed)
    registry.add_built("story/multi", "1", listed)
    registry.add_built("story/ocimulti", "1", build_index(children, oci=True))
    return roles


def _build(seed: str, platform: str, built_for: str) -> BuiltImage:
    return build_image(
        seed,
        platform=platform,
        env=("PATH=/usr/bin:/bin", f"PYTHON_VERSION={seed}"),
        labels={"io.openshift.tags": "builder,python"},
        built_for=built_for,
    )


def _seed(image: dict[str, Any]) -> str:
    """Empty for a list, which has no config."""
    labels = image["dockerImageMetadata"].get("Config", {}).get("Labels", {})
    seed: str = labels.get("seed", "")
    return seed


def _find_images(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if isinstance(node.get("dockerImageMetadata"), dict):
            yield node
        for child in node.values():
            yield from _find_images(child)
    elif isinstance(node, list):
        for child in node:
            yield from _find_images(child)
