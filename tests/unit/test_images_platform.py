"""The Legacy choice from a manifest list, and media types."""

from __future__ import annotations

import pytest

from tagstream.images.digest import digest_of
from tagstream.images.manifest import ManifestEntry
from tagstream.images.media_types import (
    MANIFEST_ACCEPT,
    OCI_INDEX,
    SCHEMA2,
    ManifestKind,
    classify_manifest,
)
from tagstream.images.platform import Platform, choose_manifest

SERVER = Platform(os="linux", architecture="amd64")


def entry(os: str, architecture: str, variant: str = "") -> ManifestEntry:
    digest = digest_of(f"{os}/{architecture}/{variant}".encode())
    return ManifestEntry(digest, SCHEMA2, 440, architecture, os, variant)


WINDOWS = entry("windows", "amd64")
ARM_V7 = entry("linux", "arm", "v7")
ARM_V6 = entry("linux", "arm", "v6")
AMD = entry("linux", "amd64")
S390X = entry("linux", "s390x")
ALL = (WINDOWS, ARM_V7, ARM_V6, AMD, S390X)


@pytest.mark.parametrize(
    ("preferred", "prefer_os", "prefer_arch", "chosen"),
    [
        (SERVER, None, None, AMD),
        (SERVER, None, "s390x", S390X),
        (SERVER, "windows", None, WINDOWS),
        (SERVER, "windows", "s390x", AMD),
        (SERVER, "", "arm", ARM_V7),
        (Platform("linux", "arm", "v6"), None, None, ARM_V7),
        (Platform("linux", "s390x"), None, None, S390X),
        (Platform("plan9", "mips"), None, None, AMD),
    ],
)
def test_each_preference_replaces_its_half_of_the_platform(
    preferred: Platform, prefer_os: str | None, prefer_arch: str | None, chosen: ManifestEntry
) -> None:
    assert choose_manifest(ALL, preferred, prefer_os, prefer_arch) == chosen


def test_first_entry_stands_in_when_no_platform_fits() -> None:
    assert choose_manifest((WINDOWS, S390X), SERVER) == WINDOWS


def test_empty_list_has_nothing_to_choose() -> None:
    assert choose_manifest((), SERVER) is None


def test_content_type_is_classified_without_parameters_and_case() -> None:
    index = classify_manifest(f"{OCI_INDEX.upper()}; charset=utf-8")
    assert index is ManifestKind.OCI_INDEX
    assert index.is_list


@pytest.mark.parametrize("content_type", ["", "application/json", "text/html", ";"])
def test_unknown_content_type_means_schema_1(content_type: str) -> None:
    assert classify_manifest(content_type) is ManifestKind.SCHEMA1


def test_every_kind_that_is_asked_for_can_be_decoded() -> None:
    assert {classify_manifest(accepted) for accepted in MANIFEST_ACCEPT} == set(ManifestKind)
