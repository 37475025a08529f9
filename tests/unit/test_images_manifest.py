"""Manifests from strangers: what is read, and that nothing but InvalidManifest comes out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.images.digest import digest_of
from tagstream.images.manifest import (
    MAX_LAYERS,
    MAX_LIST_ENTRIES,
    Descriptor,
    InvalidManifest,
    ManifestEntry,
    ManifestList,
    SingleManifest,
    manifest_payload,
    parse_manifest,
)
from tagstream.images.media_types import (
    DOCKER_LIST,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1,
    SCHEMA1_LAYER,
    SCHEMA1_SIGNED,
    SCHEMA2,
)

A, B, C = (digest_of(letter) for letter in (b"a", b"b", b"c"))
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY: Mapping[str, object] = {}
CONTENT_TYPES = (SCHEMA2, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX, SCHEMA1_SIGNED, "")


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def oci_manifest(**changes: object) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "config": {"mediaType": "c", "digest": A, "size": 10},
        "layers": [{"mediaType": GZIP, "digest": B, "size": 20}],
        **changes,
    }


def index_entry(**changes: object) -> dict[str, object]:
    platform = {"architecture": "arm64", "os": "linux", "variant": "v8"}
    return {"mediaType": OCI_MANIFEST, "digest": A, "size": 7, "platform": platform, **changes}


def schema1_manifest(**changes: object) -> dict[str, object]:
    return {
        "schemaVersion": 1,
        "name": "a/b",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": B}, {"blobSum": A}],
        "history": [
            {"v1Compatibility": '{"id": "new", "parent": "old"}'},
            {"v1Compatibility": '{"id": "old", "Size": 5}'},
        ],
        **changes,
    }


def sign(payload: bytes, *, twice: bool = False, changes: Mapping[str, object] = EMPTY) -> bytes:
    """The payload in the signed envelope, with signatures that nobody checks."""
    cut = payload.rindex(b"}")
    tail = base64.urlsafe_b64encode(payload[cut:]).decode().rstrip("=")
    protected = encode({"formatLength": cut, "formatTail": tail, **changes})
    signature = {"protected": base64.urlsafe_b64encode(protected).decode().rstrip("=")}
    return (
        payload[:cut]
        + b', "signatures": '
        + encode([signature] * (2 if twice else 1))
        + payload[cut:]
    )


def test_oci_manifest_without_media_type_takes_the_served_one() -> None:
    raw = encode(oci_manifest())
    assert parse_manifest(raw, f"{OCI_MANIFEST}; charset=utf-8") == SingleManifest(
        media_type=OCI_MANIFEST,
        digest=digest_of(raw),
        config=Descriptor(A, 10, "c"),
        layers=(Descriptor(B, 20, GZIP),),
    )


def test_index_keeps_its_order_and_entries_without_platform() -> None:
    raw = encode(
        {"schemaVersion": 2, "manifests": [index_entry(digest=B, platform=None), index_entry()]}
    )
    assert parse_manifest(raw, OCI_INDEX) == ManifestList(
        media_type=OCI_INDEX,
        digest=digest_of(raw),
        entries=(
            ManifestEntry(B, OCI_MANIFEST, 7, "", "", ""),
            ManifestEntry(A, OCI_MANIFEST, 7, "arm64", "linux", "v8"),
        ),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schemaVersion": 3}, "unrecognized container image manifest schema 3 for"),
        ({"schemaVersion": None}, "unrecognized container image manifest schema 0 for"),
        ({"schemaVersion": "2"}, "manifest.schemaVersion: must be a whole number"),
        ({"schemaVersion": True}, "manifest.schemaVersion: must be a whole number"),
        ({"mediaType": SCHEMA2}, "manifest.mediaType: is "),
        ({"config": None}, "manifest.config: is missing"),
        ({"config": []}, "manifest.config: must be an object"),
        ({"config": {"size": 1}}, "manifest.config.digest: is missing"),
        ({"config": {"digest": A}}, "manifest.config.size: is missing"),
        ({"config": {"digest": "sha256:../x", "size": 1}}, "manifest.config.digest: "),
        ({"config": {"digest": A, "size": -1}}, "manifest.config.size: must not be negative"),
        ({"config": {"digest": A, "size": 2**63}}, "manifest.config.size: must fit in 64 bits"),
        ({"config": {"digest": A, "size": 1.0}}, "manifest.config.size: must be a whole number"),
        ({"layers": {}}, "manifest.layers: must be a list"),
        ({"layers": [1]}, r"manifest.layers\[0\]: must be an object"),
        (
            {"layers": [{"digest": A, "size": 1, "mediaType": "a\0"}]},
            r"manifest.layers\[0\].mediaType: must not hold a NUL",
        ),
        ({"layers": [None] * (MAX_LAYERS + 1)}, "manifest.layers: has 1001 entries"),
        ({"manifests": []}, "manifest.manifests: does not belong"),
    ],
)
def test_bad_manifest_is_refused_with_the_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        parse_manifest(encode(oci_manifest(**change)), OCI_MANIFEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manifests": [{}]}, r"manifest.manifests\[0\].digest: is missing"),
        ({"manifests": [index_entry(platform=3)]}, r"manifests\[0\].platform: must be an object"),
        ({"manifests": [{}] * (MAX_LIST_ENTRIES + 1)}, "manifest.manifests: has 1001 entries"),
        ({"layers": []}, "manifest.layers: does not belong"),
        ({"config": {}}, "manifest.config: does not belong"),
    ],
)
def test_bad_list_is_refused_with_the_place(change: dict[str, object], message: str) -> None:
    body = {"schemaVersion": 2, "mediaType": DOCKER_LIST, **change}
    with pytest.raises(InvalidManifest, match=message):
        parse_manifest(encode(body), DOCKER_LIST)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"<html>", "is not JSON"),
        (b"\xff{}", "is not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' appears twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "a number has 100000 digits"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "nested deeper than the 64 levels"),
        (b"[" * 1_000_000, "nested deeper than the 64 levels"),
        (b" " * (4 * 1024 * 1024 + 1), "is larger than"),
    ],
)
def test_bad_json_is_refused_with_the_reason(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        parse_manifest(raw, OCI_MANIFEST)


def test_brackets_within_strings_are_not_depth() -> None:
    raw = encode(oci_manifest(annotations={"a": '"\\' + "[" * 500}))
    assert parse_manifest(raw, OCI_MANIFEST).digest == digest_of(raw)


@pytest.mark.parametrize("unit", [b'"\\', b'\\"', b'"', b"\\", b'{"', b'["\\u'])
def test_unterminated_strings_are_refused_quickly(unit: bytes) -> None:
    started = time.process_time()
    with pytest.raises(InvalidManifest):
        parse_manifest(b'{"' + unit * 200_000, OCI_MANIFEST)
    assert time.process_time() - started < 1


def test_schema_1_layers_come_base_first_and_digest_leaves_signatures_out() -> None:
    payload = json.dumps(schema1_manifest(), indent=3).encode()
    unsigned = parse_manifest(payload, SCHEMA1)
    signed = parse_manifest(sign(payload, twice=True), SCHEMA1_SIGNED)
    assert manifest_payload(sign(payload), SCHEMA1_SIGNED) == payload
    assert signed == unsigned
    assert isinstance(signed, SingleManifest)
    assert signed.digest == digest_of(payload)
    assert signed.media_type == SCHEMA1
    assert signed.layers == (Descriptor(A, 5, SCHEMA1_LAYER), Descriptor(B, 0, SCHEMA1_LAYER))
    assert signed.unsized_layers == (B,)
    assert signed.history[0] == '{"id": "new", "parent": "old"}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"formatLength": -1}, "formatLength: must not be negative"),
        ({"formatLength": 10**6}, "formatLength lies outside the manifest"),
        ({"formatLength": None}, "formatLength: is missing"),
        ({"formatTail": "*"}, "formatTail: is not base64url"),
        ({"formatTail": "\u00e9"}, "formatTail: is not base64url"),
        ({"formatTail": "e30"}, "is not JSON"),
    ],
)
def test_signature_that_describes_no_payload_is_refused(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidManifest, match=message):
        parse_manifest(sign(encode(schema1_manifest()), changes=change), SCHEMA1_SIGNED)


def test_signatures_over_different_payloads_are_refused() -> None:
    first, second = (
        json.loads(sign(encode(schema1_manifest()), changes={"formatLength": length}))[
            "signatures"
        ][0]
        for length in (1, 2)
    )
    raw = encode(schema1_manifest(signatures=[first, second]))
    with pytest.raises(InvalidManifest, match="sign different payloads"):
        parse_manifest(raw, SCHEMA1_SIGNED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schemaVersion": 2}, "unrecognized container image manifest schema 2 for"),
        ({"history": []}, "^image has no v1Compatibility history and cannot be used$"),
        ({"fsLayers": [{"blobSum": A}]}, "manifest.history: has 2 entries for 1 fsLayers"),
        ({"fsLayers": [{}, {}]}, r"manifest.fsLayers\[0\].blobSum: is missing"),
        ({"history": [{}, {}]}, r"manifest.history\[0\].v1Compatibility: is not JSON"),
        (
            {"history": [{"v1Compatibility": '{"Size": -1}'}] * 2},
            r"manifest.history\[0\].v1Compatibility.Size: must not be negative",
        ),
    ],
)
def test_bad_schema_1_manifest_is_refused_with_the_place(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidManifest, match=message):
        parse_manifest(encode(schema1_manifest(**change)), SCHEMA1)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
DIGESTS = st.sampled_from([A, B, C, "sha256:", "\ud800"])
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "digest": DIGESTS | SCALARS,
        "size": SCALARS,
        "mediaType": SCALARS,
        "platform": SCALARS,
    },
)
MANIFESTS = st.fixed_dictionaries(
    {"schemaVersion": st.sampled_from([1, 2, 3, None])},
    optional={
        "mediaType": SCALARS | st.sampled_from(CONTENT_TYPES),
        "config": DESCRIPTORS | SCALARS,
        "layers": st.lists(DESCRIPTORS | SCALARS, max_size=3) | SCALARS,
        "manifests": st.lists(DESCRIPTORS | SCALARS, max_size=3) | SCALARS,
        "fsLayers": st.lists(st.fixed_dictionaries({"blobSum": DIGESTS}), max_size=2) | SCALARS,
        "history": st.lists(
            st.fixed_dictionaries({"v1Compatibility": SCALARS | st.just("{}")}), max_size=2
        )
        | SCALARS,
        "signatures": st.lists(st.fixed_dictionaries({"protected": SCALARS}), max_size=2),
    },
)


@given(MANIFESTS.map(encode) | st.binary(max_size=60), st.sampled_from(CONTENT_TYPES))
def test_any_bytes_are_a_manifest_or_an_invalid_one(raw: bytes, content_type: str) -> None:
    try:
        manifest = parse_manifest(raw, content_type)
    except InvalidManifest as error:
        str(error).encode()
        return
    assert manifest.digest == digest_of(manifest_payload(raw, content_type))
