"""Small real images: manifests, configs and layers as a registry holds them, made from a seed.

The same arguments give the same bytes, so digests can be compared between runs. `push_image` puts
them into a real registry over the distribution HTTP API.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

DEFAULT_PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/ppc64le", "linux/s390x")


def sha256_digest(data: bytes) -> str:
    """The digest of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """One image, ready to be pushed; `platform` is `os/architecture[/variant]`."""

    manifest: bytes
    media_type: str
    platform: str
    config: bytes = b""
    layers: tuple[bytes, ...] = ()

    @property
    def digest(self) -> str:
        return sha256_digest(self.manifest)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """Everything that must be there before the manifest."""
        return (*self.layers, *([self.config] if self.config else []))


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """A manifest list or OCI index and what it lists."""

    manifest: bytes
    media_type: str
    children: tuple[BuiltImage, ...] = field(default=())

    @property
    def digest(self) -> str:
        return sha256_digest(self.manifest)


def build_layer(seed: str) -> bytes:
    """A gzipped tar with one small file."""
    content = f"{seed}\n".encode()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo("seed.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def build_image(
    seed: str,
    *,
    labels: Mapping[str, str] | None = None,
    env: Sequence[str] = ("PATH=/usr/bin:/bin",),
    platform: str = "linux/amd64",
    oci: bool = False,
    built_for: str = "",
) -> BuiltImage:
    """A one-layer image; another seed is another digest, and so is another `built_for`, which
    nothing but the digest shows."""
    system, architecture, *variant = platform.split("/")
    layer = build_layer(seed)
    config = _dump(
        {
            "architecture": architecture,
            "os": system,
            **({"variant": variant[0]} if variant else {}),
            "author": "A. N. Author",
            "created": "2025-03-01T10:00:00Z",
            "config": {
                "User": "1001",
                "ExposedPorts": {"8080/tcp": {}},
                "Env": list(env),
                "Cmd": ["/bin/sh", "-c", "$STI_SCRIPTS_PATH/usage"],
                "WorkingDir": "/opt/app-root/src",
                "Entrypoint": ["container-entrypoint"],
                "Labels": {"seed": seed, **(labels or {})},
            },
            "rootfs": {"type": "layers", "diff_ids": [sha256_digest(gzip.decompress(layer))]},
            "history": [{"created": "2025-03-01T10:00:00Z", "created_by": seed + built_for}],
        }
    )
    media_type = OCI_MANIFEST if oci else SCHEMA2
    manifest = _dump(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": _descriptor(config, _OCI_CONFIG if oci else _DOCKER_CONFIG),
            "layers": [_descriptor(layer, _OCI_LAYER if oci else _DOCKER_LAYER)],
        }
    )
    return BuiltImage(manifest, media_type, platform, config, (layer,))


def build_index(
    children: Sequence[BuiltImage], *, oci: bool = False, with_media_type: bool = True
) -> BuiltIndex:
    """A list of images, each with the platform it was built for (none when that is empty)."""
    media_type = OCI_INDEX if oci else DOCKER_LIST
    document: dict[str, object] = {"schemaVersion": 2}
    if with_media_type:
        document["mediaType"] = media_type
    document["manifests"] = [
        {
            **_descriptor(child.manifest, child.media_type),
            **({"platform": _platform(child.platform)} if child.platform else {}),
        }
        for child in children
    ]
    return BuiltIndex(_dump(document), media_type, tuple(children))


def build_schema1(name: str, tag: str, *, layers: Sequence[bytes], newest_id: str) -> BuiltImage:
    """An unsigned schema 1 image; `layers` base first, sizes left to be asked for."""
    compatibility = [
        {"id": newest_id if index == 0 else f"{index:064x}", "architecture": "amd64"}
        for index in range(len(layers))
    ]
    manifest = _dump(
        {
            "schemaVersion": 1,
            "name": name,
            "tag": tag,
            "architecture": "amd64",
            "fsLayers": [{"blobSum": sha256_digest(layer)} for layer in reversed(layers)],
            "history": [{"v1Compatibility": json.dumps(entry)} for entry in compatibility],
        }
    )
    return BuiltImage(manifest, SCHEMA1, "linux/amd64", b"", tuple(layers))


def push_image(base_url: str, repository: str, tag: str, built: BuiltImage | BuiltIndex) -> str:
    """Push to a real registry without authentication; returns the digest. Blocking."""
    target = urlsplit(base_url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=10)
    try:
        for child in built.children if isinstance(built, BuiltIndex) else ():
            _push_blobs(connection, repository, child)
            _put_manifest(connection, repository, child.digest, child)
        if isinstance(built, BuiltImage):
            _push_blobs(connection, repository, built)
        _put_manifest(connection, repository, tag, built)
    finally:
        connection.close()
    return built.digest


def _push_blobs(connection: http.client.HTTPConnection, repository: str, built: BuiltImage) -> None:
    for blob in built.blobs:
        location = _call(connection, "POST", f"/v2/{repository}/blobs/uploads/", b"", {}, 202)
        split = urlsplit(location)
        query = f"{split.query}&" if split.query else ""
        path = f"{split.path}?{query}digest={sha256_digest(blob)}"
        _call(connection, "PUT", path, blob, {"Content-Type": "application/octet-stream"}, 201)


def _put_manifest(
    connection: http.client.HTTPConnection,
    repository: str,
    reference: str,
    built: BuiltImage | BuiltIndex,
) -> None:
    path = f"/v2/{repository}/manifests/{reference}"
    _call(connection, "PUT", path, built.manifest, {"Content-Type": built.media_type}, 201)


def _call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    expected: int,
) -> str:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != expected:
        raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
    return response.headers.get("Location", "")


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(blob), "digest": sha256_digest(blob)}


def _platform(platform: str) -> dict[str, str]:
    system, architecture, *variant = platform.split("/")
    described = {"architecture": architecture, "os": system}
    return {**described, "variant": variant[0]} if variant else described


def _dump(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
