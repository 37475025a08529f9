"""Deriving Image fields: against bodies that a real server answered, then against hostile input."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.images.digest import digest_of
from tagstream.images.image import (
    EMPTY_METADATA,
    Image,
    ImageLayer,
    derive_image,
    derive_list_image,
    image_from_json,
    image_to_json,
)
from tagstream.images.manifest import (
    Descriptor,
    InvalidManifest,
    ManifestEntry,
    ManifestList,
    SingleManifest,
    parse_manifest,
)
from tagstream.images.media_types import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, SCHEMA1, SCHEMA2
from tagstream.images.reference import parse_image_reference

REFERENCE = parse_image_reference("127.0.0.1:15000/story/python:3.5")
LAYER = digest_of(b"layer")

# A recorded import: the manifest and config blob as the registry served them, and the answer.
GOLDEN_MANIFEST = (
    '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", '
    '"config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 616, '
    '"digest": "sha256:bda0c255f8ee70f43ce3bcc35815f3d06ef6dde9f2a915f41de135d0177a9dda"}, '
    '"layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 113, '
    '"digest": "sha256:5acbfa704dc6d5ef9c50acd87d5c1996ad3e1ff5a2854ec479a4ca732feca7fe"}]}'
)
GOLDEN_CONFIG = (
    '{"created": "2025-03-01T10:00:00Z", "architecture": "amd64", "os": "linux", '
    '"author": "A. N. Author", "config": {"Env": ["PATH=/usr/bin:/bin", '
    '"PYTHON_VERSION=python-3.5"], "Cmd": ["/bin/sh", "-c", "$STI_SCRIPTS_PATH/usage"], '
    '"Entrypoint": ["container-entrypoint"], "WorkingDir": "/opt/app-root/src", "User": "1001", '
    '"ExposedPorts": {"8080/tcp": {}}, "Labels": {"io.openshift.tags": "builder,python", '
    '"seed": "python-3.5"}}, "rootfs": {"type": "layers", "diff_ids": '
    '["sha256:71cb8cde48bbecd9a747023e6b1d78f211b8aa8e4067c2ebb9cc3d6c8d1663a5"]}, '
    '"history": [{"created": "2025-03-01T10:00:00Z", "created_by": "story"}]}'
)
GOLDEN_IMAGE = (
    '{"metadata": {"name": '
    '"sha256:2b2f07eb966fd0a3031dbdbf847c240fdf40c81f03785fba820c9a44d013ba81", '
    '"annotations": {"image.openshift.io/dockerLayersOrder": "ascending"}}, '
    '"dockerImageReference": "127.0.0.1:15000/story/python@'
    'sha256:2b2f07eb966fd0a3031dbdbf847c240fdf40c81f03785fba820c9a44d013ba81", '
    '"dockerImageMetadata": {"kind": "DockerImage", "apiVersion": "image.openshift.io/1.0", '
    '"Id": "sha256:bda0c255f8ee70f43ce3bcc35815f3d06ef6dde9f2a915f41de135d0177a9dda", '
    '"Created": "2025-03-01T10:00:00Z", "ContainerConfig": {}, "Author": "A. N. Author", '
    '"Config": {"User": "1001", "ExposedPorts": {"8080/tcp": {}}, '
    '"Env": ["PATH=/usr/bin:/bin", "PYTHON_VERSION=python-3.5"], '
    '"Cmd": ["/bin/sh", "-c", "$STI_SCRIPTS_PATH/usage"], "WorkingDir": "/opt/app-root/src", '
    '"Entrypoint": ["container-entrypoint"], "Labels": {"io.openshift.tags": "builder,python", '
    '"seed": "python-3.5"}}, "Architecture": "amd64", "Size": 729}, '
    '"dockerImageMetadataVersion": "1.0", "dockerImageLayers": [{"name": '
    '"sha256:5acbfa704dc6d5ef9c50acd87d5c1996ad3e1ff5a2854ec479a4ca732feca7fe", "size": 113, '
    '"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}], '
    '"dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json"}'
)
LIST_DIGEST = "sha256:bcc292fb34bf45694321c6a33ebd0b45019d3bbb433a522faf1f65f856f7a565"
GOLDEN_LIST_IMAGE = (
    f'{{"metadata": {{"name": "{LIST_DIGEST}"}}, '
    f'"dockerImageReference": "127.0.0.1:15000/story/python@{LIST_DIGEST}", '
    '"dockerImageMetadata": {"kind": "DockerImage", "apiVersion": "image.openshift.io/1.0", '
    f'"Id": "{LIST_DIGEST}", "Created": "2026-11-23T04:02:48Z", "ContainerConfig": {{}}}}, '
    '"dockerImageMetadataVersion": "1.0", "dockerImageManifestMediaType": '
    '"application/vnd.docker.distribution.manifest.list.v2+json", "dockerImageManifests": '
    '[{"digest": "sha256:5498f0178cf29056f3b51130170455272ff41a484c53c29332a25235e3a04422", '
    '"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "manifestSize": 440, '
    '"architecture": "amd64", "os": "linux"}, '
    '{"digest": "sha256:7621993050a4138ab62072bd1903f66484a2361d317d571878b87d3ad2253b48", '
    '"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "manifestSize": 440, '
    '"architecture": "arm64", "os": "linux", "variant": "v8"}]}'
)


def single(config: bytes, *layers: Descriptor) -> SingleManifest:
    descriptor = Descriptor(digest_of(config), len(config), "")
    return SingleManifest(OCI_MANIFEST, digest_of(b"manifest"), descriptor, layers)


def derive_from_config(config: object) -> Image:
    raw = json.dumps(config).encode()
    return derive_image(REFERENCE, single(raw), raw)


def test_schema_2_image_is_what_the_real_server_answered() -> None:
    manifest = parse_manifest(GOLDEN_MANIFEST.encode(), SCHEMA2)
    assert isinstance(manifest, SingleManifest)
    image = derive_image(REFERENCE, manifest, GOLDEN_CONFIG.encode())
    assert json.dumps(image_to_json(image)) == GOLDEN_IMAGE
    assert image_from_json(json.loads(GOLDEN_IMAGE)) == image


def test_list_image_is_what_the_real_server_answered() -> None:
    golden = json.loads(GOLDEN_LIST_IMAGE)
    expected = image_from_json(golden)
    manifest = ManifestList(
        media_type=DOCKER_LIST,
        digest=expected.name,
        entries=tuple(
            ManifestEntry(
                entry.digest,
                entry.media_type,
                entry.manifest_size,
                entry.architecture,
                entry.os,
                entry.variant,
            )
            for entry in expected.manifests
        ),
    )
    imported_at = datetime(2026, 11, 23, 6, 2, 48, 999, tzinfo=timezone(timedelta(hours=2)))
    image = derive_list_image(REFERENCE, manifest, imported_at)
    assert json.dumps(image_to_json(image)) == GOLDEN_LIST_IMAGE
    assert image == expected


def test_empty_metadata_still_says_what_it_is() -> None:
    assert dict(EMPTY_METADATA) == {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": "",
        "Created": None,
        "ContainerConfig": {},
    }
    assert list(EMPTY_METADATA) == ["kind", "apiVersion", "Id", "Created", "ContainerConfig"]


def test_schema_1_image_takes_its_newest_history_and_missing_sizes() -> None:
    newest = {
        "id": "abc",
        "parent": "def",
        "comment": "c",
        "created": "2015-04-01T00:00:00.5Z",
        "container": "cont",
        "container_config": {"Hostname": "h"},
        "docker_version": "1.6",
        "architecture": "amd64",
    }
    raw = json.dumps(
        {
            "schemaVersion": 1,
            "fsLayers": [{"blobSum": LAYER}, {"blobSum": LAYER}, {"blobSum": digest_of(b"base")}],
            "history": [
                {"v1Compatibility": json.dumps(newest)},
                {"v1Compatibility": "{}"},
                {"v1Compatibility": '{"Size": 7}'},
            ],
        }
    ).encode()
    manifest = parse_manifest(raw, "application/json")
    assert isinstance(manifest, SingleManifest)
    image = derive_image(REFERENCE, manifest, layer_sizes={LAYER: 30})
    assert [layer.size for layer in image.layers] == [7, 30, 30]
    assert image.manifest_media_type == SCHEMA1
    assert image_to_json(image)["dockerImageMetadata"] == {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": "abc",
        "Parent": "def",
        "Comment": "c",
        "Created": "2015-04-01T00:00:00Z",
        "Container": "cont",
        "ContainerConfig": {"Hostname": "h"},
        "DockerVersion": "1.6",
        "Architecture": "amd64",
        "Size": 37,
    }


def test_size_counts_a_repeated_layer_once() -> None:
    layer = Descriptor(LAYER, 100, "")
    image = derive_image(REFERENCE, single(b"{}", layer, layer), b"{}")
    assert image.metadata["Size"] == 102
    assert image.layers == (ImageLayer(LAYER, 100, ""),) * 2


@pytest.mark.parametrize(
    ("created", "shown"),
    [
        (None, None),
        ("0001-01-01T00:00:00Z", None),
        ("2025-03-01T10:00:00.123456789Z", "2025-03-01T10:00:00Z"),
        ("2025-03-01T01:30:00+02:00", "2025-02-28T23:30:00Z"),
        ("2025-03-01T22:30:00-02:00", "2025-03-02T00:30:00Z"),
        ("0999-03-01T10:00:00Z", "0999-03-01T10:00:00Z"),
    ],
)
def test_created_is_shown_in_utc_and_whole_seconds(created: object, shown: str | None) -> None:
    assert derive_from_config({"created": created}).metadata["Created"] == shown


def test_sets_and_labels_are_sorted_and_unknown_fields_dropped() -> None:
    config = {
        "Labels": {"b": "2", "a": None, "é": "\ud800"},
        "Volumes": {"/z": {}, "/a": {"x": 1}},
        "ExposedPorts": {"80/tcp": None},
        "Healthcheck": {},
        "StopSignal": "9",
        "Tty": True,
        "Memory": 5,
        "Env": [],
        "Cmd": None,
    }
    body = image_to_json(derive_from_config({"config": config, "os": "linux"}))
    text = json.dumps(body["dockerImageMetadata"], ensure_ascii=False)
    assert (
        '"Config": {"Memory": 5, "ExposedPorts": {"80/tcp": {}}, "Tty": true, '
        '"Volumes": {"/a": {}, "/z": {}}, "Labels": {"a": "", "b": "2", "é": "\ufffd"}}'
    ) in text
    assert "linux" not in text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "config: must be a JSON object"),
        ({"created": "yesterday"}, "config.created: must be an RFC 3339 time"),
        ({"created": "2025-13-01T00:00:00Z"}, "config.created: is no time that exists"),
        ({"created": "0001-01-01T00:00:00+01:00"}, "config.created: is no time that exists"),
        ({"created": 5}, "config.created: must be a string"),
        ({"config": []}, "config.config: must be an object"),
        ({"config": {"Env": "A=b"}}, "config.config.Env: must be a list"),
        ({"config": {"Env": ["A=b", 1]}}, r"config.config.Env\[1\]: must be a string"),
        ({"config": {"Env": ["A\0"]}}, r"config.config.Env\[0\]: must not hold a NUL"),
        ({"config": {"Memory": 2**63}}, "config.config.Memory: must fit in 64 bits"),
        ({"config": {"Tty": 1}}, "config.config.Tty: must be true or false"),
        ({"config": {"Labels": {"a": 1}}}, r"config.config.Labels\['a'\]: must be a string"),
        ({"config": {"Volumes": {"/a": 1}}}, r"config.config.Volumes\['/a'\]: must be an object"),
    ],
)
def test_bad_config_is_refused_with_the_place(config: object, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        derive_from_config(config)


def test_config_of_another_kind_of_artifact_gives_empty_metadata() -> None:
    image = derive_from_config({"name": "chart", "version": "1.0", "apiVersion": "v2"})
    assert image.metadata.keys() == {*EMPTY_METADATA, "Size"}


def test_empty_config_is_refused_in_the_servers_words() -> None:
    with pytest.raises(InvalidManifest) as error:
        derive_image(REFERENCE, single(b""), b"")
    expected = f'dockerImageConfig must not be empty for manifest type "{OCI_MANIFEST}"'
    assert str(error.value) == expected


def test_config_with_another_digest_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="config: does not have the digest"):
        derive_image(REFERENCE, single(b"{}"), b"{ }")


def test_sizes_past_64_bits_in_all_are_refused() -> None:
    layers = (Descriptor(LAYER, 2**63 - 1, ""), Descriptor(digest_of(b"x"), 1, ""))
    with pytest.raises(InvalidManifest, match="does not fit in 64 bits"):
        derive_image(REFERENCE, single(b"{}", *layers), b"{}")


def test_list_entries_without_platform_are_refused_in_the_servers_words() -> None:
    good = ManifestEntry(LAYER, OCI_MANIFEST, 1, "amd64", "linux", "")
    bad = ManifestEntry(LAYER, "nothing", 1, "", "linux", "")
    manifest = ManifestList(OCI_INDEX, LAYER, (good, bad))
    with pytest.raises(InvalidManifest) as error:
        derive_list_image(REFERENCE, manifest, datetime(2026, 1, 1, tzinfo=UTC))
    assert str(error.value) == (
        f'Image.image.openshift.io "{LAYER}" is invalid: [dockerImageManifests[1].mediaType: '
        'Invalid value: "nothing": media type does not conform to RFC6838, '
        "dockerImageManifests[1].architecture: Required value]"
    )


def test_pushed_image_with_old_metadata_version_is_understood() -> None:
    image = image_from_json(
        {
            "metadata": {"name": "sha256:aa", "uid": "dropped", "annotations": {"k": "v"}},
            "dockerImageReference": "reg.example/a/b@sha256:aa",
            "dockerImageMetadata": {
                "kind": "DockerImage",
                "apiVersion": "1.0",
                "Size": 10,
                "Id": "x",
                "Created": "2020-01-01T00:00:00Z",
                "Surprise": 1,
            },
        }
    )
    assert json.dumps(image_to_json(image)) == (
        '{"metadata": {"name": "sha256:aa", "annotations": {"k": "v"}}, '
        '"dockerImageReference": "reg.example/a/b@sha256:aa", "dockerImageMetadata": '
        '{"kind": "DockerImage", "apiVersion": "image.openshift.io/1.0", "Id": "x", '
        '"Created": "2020-01-01T00:00:00Z", "ContainerConfig": {}, "Size": 10}, '
        '"dockerImageMetadataVersion": "1.0"}'
    )


def test_image_of_a_tag_without_one_is_shown_empty() -> None:
    assert json.dumps(image_to_json(image_from_json({}))) == (
        '{"metadata": {}, "dockerImageMetadata": {"kind": "DockerImage", '
        '"apiVersion": "image.openshift.io/1.0", "Id": "", "Created": null, '
        '"ContainerConfig": {}}, "dockerImageMetadataVersion": "1.0"}'
    )


def test_null_metadata_becomes_the_empty_object() -> None:
    image = image_from_json({"metadata": {"name": "x"}, "dockerImageMetadata": None})
    assert image.metadata == EMPTY_METADATA


def test_json_of_an_image_may_be_changed_without_changing_the_image() -> None:
    image = derive_from_config({"config": {"Labels": {"a": "b"}}})
    body = image_to_json(image)
    assert isinstance(body["dockerImageMetadata"], dict)
    body["dockerImageMetadata"]["Id"] = "other"
    assert image.metadata["Id"] != "other"
    with pytest.raises(TypeError):
        image.metadata["Id"] = "other"  # type: ignore[index]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
RUN_CONFIGS = st.dictionaries(
    st.sampled_from(["Env", "Cmd", "Labels", "Volumes", "Memory", "Tty", "User"]), JSON
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "config": RUN_CONFIGS | JSON,
        "container_config": RUN_CONFIGS,
        "created": JSON | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
        "architecture": JSON,
    },
)


@given(CONFIGS.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_any_config_gives_an_image_that_survives_storing_or_is_invalid(config: bytes) -> None:
    try:
        image = derive_image(REFERENCE, single(config), config)
    except InvalidManifest as error:
        str(error).encode()
        return
    stored = json.dumps(image_to_json(image), ensure_ascii=False).encode()
    assert image_from_json(json.loads(stored)) == image
    assert b"\0" not in stored


@given(st.dictionaries(st.sampled_from(list(json.loads(GOLDEN_IMAGE))), JSON))
def test_any_body_is_an_image_or_invalid(body: dict[str, object]) -> None:
    try:
        image = image_from_json(body)
    except InvalidManifest:
        return
    assert image_from_json(image_to_json(image)) == image
