"""A small real image: a config and one layer, the same bytes for the same build. Pure.

Owns what is in it; the push is push.py's.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from tagstream.images.digest import Digest, digest_of

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class SmallImage:
    """Bytes as a registry keeps them."""

    manifest: bytes
    config: bytes
    layer: bytes

    @property
    def digest(self) -> Digest:
        return digest_of(self.manifest)

    @property
    def size_bytes(self) -> int:
        """Of everything that is pushed."""
        return len(self.manifest) + len(self.config) + len(self.layer)


def build_small_image(build: int) -> SmallImage:
    """An OCI image for linux/amd64 with one file that names the build; another build differs."""
    layer = _layer("srv/www/index.html", f"<h1>shop, build {build}</h1>\n".encode())
    created = f"2026-01-{build:02}T09:00:00Z"
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": created,
            "config": {
                "Env": ["PATH=/usr/bin:/bin", f"BUILD={build}"],
                "Cmd": ["/usr/bin/serve", "/srv/www"],
                "ExposedPorts": {"8080/tcp": {}},
                "Labels": {"org.opencontainers.image.version": f"1.0.{build}"},
            },
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer))]},
            "history": [{"created": created, "created_by": f"build {build}"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(config, _CONFIG_TYPE),
            "layers": [_descriptor(layer, _LAYER_TYPE)],
        }
    )
    return SmallImage(manifest, config, layer)


def _layer(path: str, content: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def _descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(content), "digest": digest_of(content)}


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
