"""Schema 1 manifests: their canonical payload, layers and history.

Owns the signed envelope (a JWS with `formatLength` and `formatTail`) and the order of layers. The
signatures themselves are not checked: content is trusted by digest, as for every other manifest.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from tagstream.images.descriptor import Descriptor, parse_digest_field
from tagstream.images.digest import Digest, digest_of
from tagstream.images.media_types import SCHEMA1_LAYER
from tagstream.images.untrusted_json import InvalidManifest, JsonFields, load_object

MAX_SIGNATURES: Final = 16
MAX_SCHEMA1_LAYERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Schema1Content:
    """What a schema 1 manifest says: layers base first, history newest first (as JSON texts)."""

    digest: Digest
    layers: tuple[Descriptor, ...]
    history: tuple[str, ...]


def canonical_payload(raw: bytes) -> bytes:
    """The bytes that were signed, and that the digest is taken over; `raw` when nothing is signed.

    Raises InvalidManifest when the signatures do not describe one payload within `raw`.
    """
    signatures = load_object(raw, "manifest").members("signatures", MAX_SIGNATURES)
    if not signatures:
        return raw
    formats = {_signed_format(signature) for signature in signatures}
    if len(formats) > 1:
        raise InvalidManifest("manifest.signatures: sign different payloads")
    length, tail = formats.pop()
    if not 0 <= length <= len(raw):
        raise InvalidManifest("manifest.signatures: formatLength lies outside the manifest")
    return raw[:length] + tail


def parse_schema1(raw: bytes) -> Schema1Content:
    """Parse a schema 1 manifest, signed or not. Raises InvalidManifest."""
    payload = canonical_payload(raw)
    fields = load_object(payload, "manifest")
    digest = digest_of(payload)
    version = fields.integer("schemaVersion")
    if version != 1:
        raise InvalidManifest(
            f'unrecognized container image manifest schema {version} for "{digest}"'
        )
    fs_layers = fields.members("fsLayers", MAX_SCHEMA1_LAYERS)
    history = tuple(
        entry.text("v1Compatibility") for entry in fields.members("history", MAX_SCHEMA1_LAYERS)
    )
    if not history:
        raise InvalidManifest("image has no v1Compatibility history and cannot be used")
    if len(history) != len(fs_layers):
        raise InvalidManifest(
            f"manifest.history: has {len(history)} entries for {len(fs_layers)} fsLayers"
        )
    layers = tuple(
        Descriptor(
            digest=parse_digest_field(layer, "blobSum"),
            size=_recorded_size(entry, index),
            media_type=SCHEMA1_LAYER,
        )
        for index, (layer, entry) in enumerate(zip(fs_layers, history, strict=True))
    )
    return Schema1Content(digest=digest, layers=layers[::-1], history=history)


def load_v1_compatibility(text: str, index: int) -> JsonFields:
    """The image description in one history entry; `index` counts from the newest."""
    return load_object(text.encode(), f"manifest.history[{index}].v1Compatibility")


def _recorded_size(entry: str, index: int) -> int:
    fields = load_v1_compatibility(entry, index)
    return fields.size("Size") if fields.has("Size") else 0


def _signed_format(signature: JsonFields) -> tuple[int, bytes]:
    protected = load_object(
        _decode_base64url(signature, "protected"), f"{signature.path}.protected"
    )
    return protected.size("formatLength"), _decode_base64url(protected, "formatTail")


def _decode_base64url(fields: JsonFields, key: str) -> bytes:
    text = fields.text(key)
    padded = text + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except ValueError:
        fields.fail(key, "is not base64url")
