"""Digests: shape, verification, short ids."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.images.digest import digest_of, is_digest, short_id, verify_digest


@given(st.binary(max_size=200))
def test_digest_of_data_verifies_that_data_and_nothing_longer(data: bytes) -> None:
    digest = digest_of(data)
    assert is_digest(digest)
    assert verify_digest(data, digest)
    assert not verify_digest(data + b"x", digest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_accepted_algorithm_is_verified(algorithm: str) -> None:
    digest = f"{algorithm}:{hashlib.new(algorithm, b'layer').hexdigest()}"
    assert is_digest(digest)
    assert verify_digest(b"layer", digest)
    assert not verify_digest(b"other", digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256",
        "a" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 64 + "\n",
        "sha256:" + "\u0661" * 64,
        "sha1:" + "a" * 40,
        "md5:" + "a" * 32,
        "SHA256:" + "a" * 64,
    ],
)
def test_other_texts_are_no_digest_and_verify_nothing(text: str) -> None:
    assert not is_digest(text)
    assert not verify_digest(b"", text)


def test_hex_is_compared_as_given() -> None:
    upper = "sha256:" + hashlib.sha256(b"layer").hexdigest().upper()
    assert is_digest(upper)
    assert not verify_digest(b"layer", upper)


def test_short_id_is_twelve_hex_digits() -> None:
    assert short_id("sha256:0123456789abcdef" + "0" * 48) == "0123456789ab"
