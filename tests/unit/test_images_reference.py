"""Pull specs and stream names: every row of the spec's tables, and what no text may do."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.images.reference import (
    ImageReference,
    InvalidReference,
    parse_image_reference,
    split_stream_image,
    split_stream_tag,
    split_stream_tag_leniently,
)

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
LOWERCASE = "repository name must be lowercase"
FORMAT = "invalid reference format"
TOO_LONG = "repository name must not be more than 255 characters"


@pytest.mark.parametrize(
    ("text", "registry", "namespace", "name", "tag", "digest"),
    [
        ("ruby", "", "", "ruby", "", ""),
        ("openshift/ruby-20-centos7:2.0", "", "openshift", "ruby-20-centos7", "2.0", ""),
        ("registry.redhat.io/rhel7:latest", "registry.redhat.io", "", "rhel7", "latest", ""),
        ("quay.io/a/b/c:v1", "quay.io", "a", "b/c", "v1", ""),
        ("10.0.0.1/x", "10.0.0.1", "", "x", "", ""),
        (f"x:t@{DIGEST}", "", "", "x", "t", DIGEST),
        (DIGEST, "", "", "sha256", HEX, ""),
        ("localhost:5000", "localhost:5000", "", "", "", ""),
        ("quay.io", "quay.io", "", "", "", ""),
        ("localhost", "localhost", "", "", "", ""),
        ("Foo/bar", "", "Foo", "bar", "", ""),
        ("localhost/x", "localhost", "", "x", "", ""),
        ("localhosts/x", "", "localhosts", "x", "", ""),
        ("Foo:5000/x", "Foo:5000", "", "x", "", ""),
        ("a/b/c", "", "a", "b/c", "", ""),
        ("a__b/c--d.e_f:T_.-", "", "a__b", "c--d.e_f", "T_.-", ""),
        ("host:1/x@sha512:" + HEX * 2, "host:1", "", "x", "", "sha512:" + HEX * 2),
        ("x:" + "t" * 128, "", "", "x", "t" * 128, ""),
        ("a" * 255, "", "", "a" * 255, "", ""),
    ],
)
def test_pull_spec_is_split_into_its_parts(
    text: str, registry: str, namespace: str, name: str, tag: str, digest: str
) -> None:
    expected = ImageReference(
        registry=registry, namespace=namespace, name=name, tag=tag, digest=digest
    )
    assert parse_image_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "repository name must have at least one component"),
        ("foo/Bar", LOWERCASE),
        ("quay.io/Foo/x", LOWERCASE),
        ("Foo", LOWERCASE),
        ("a/b:", FORMAT),
        ("a/b:.x", FORMAT),
        ("https://q/a", FORMAT),
        ("a//b", FORMAT),
        ("a___b", FORMAT),
        ("x:" + "t" * 129, FORMAT),
        ("x@sha256:ab312bda324", FORMAT),
        ("*", FORMAT),
        ("[::1]:5000/x", FORMAT),
        ("UPPER/case:bad tag", FORMAT),
        ("x\n", FORMAT),
        ("x:t\n", FORMAT),
        ("\u0661/x:\u0662", FORMAT),
        ("-a/b", FORMAT),
        ("a-/b", FORMAT),
        (f"x@sha256:{HEX[:63]}", "invalid checksum digest length"),
        ("x@sha1:" + "a" * 40, "unsupported digest algorithm"),
        ("a" * 256, TOO_LONG),
        ("quay.io/" + "a/" * 130 + "b", TOO_LONG),
    ],
)
def test_bad_pull_spec_is_refused_in_the_servers_words(text: str, message: str) -> None:
    with pytest.raises(InvalidReference) as error:
        parse_image_reference(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "exact", "normalized", "minimal", "host", "path"),
    [
        (
            "ruby",
            "ruby",
            "docker.io/library/ruby:latest",
            "docker.io/ruby",
            "registry-1.docker.io",
            "library/ruby",
        ),
        (
            "centos/python:latest",
            "centos/python:latest",
            "docker.io/centos/python:latest",
            "docker.io/centos/python",
            "registry-1.docker.io",
            "centos/python",
        ),
        (
            "index.docker.io/x:1",
            "index.docker.io/x:1",
            "index.docker.io/library/x:1",
            "docker.io/x:1",
            "registry-1.docker.io",
            "library/x",
        ),
        ("q.io:5/x", "q.io:5/x", "q.io:5/x:latest", "q.io:5/x", "q.io:5", "x"),
        (
            f"quay.io/a/b/c:v1@{DIGEST}",
            f"quay.io/a/b/c@{DIGEST}",
            f"quay.io/a/b/c@{DIGEST}",
            f"quay.io/a/b/c@{DIGEST}",
            "quay.io",
            "a/b/c",
        ),
        ("quay.io", "quay.io", "quay.io:latest", "quay.io", "quay.io", ""),
    ],
)
def test_derived_forms_follow_the_client_defaults(
    text: str, exact: str, normalized: str, minimal: str, host: str, path: str
) -> None:
    reference = parse_image_reference(text)
    assert reference.exact == exact
    assert reference.normalized == normalized
    assert reference.minimal == minimal
    assert reference.network_host == host
    assert reference.repository_path == path


def test_tag_gives_way_to_a_valid_digest() -> None:
    reference = parse_image_reference(f"x:t@{DIGEST}")
    assert reference.most_specific == replace(reference, tag="")
    shortened = replace(reference, digest="sha256:abc")
    assert shortened.most_specific == shortened


def test_replacing_tag_or_digest_drops_the_other() -> None:
    reference = parse_image_reference(f"quay.io/a/x:t@{DIGEST}")
    assert reference.with_tag("u").exact == "quay.io/a/x:u"
    assert reference.with_digest("sha512:" + HEX * 2).exact == "quay.io/a/x@sha512:" + HEX * 2
    assert reference.with_digest(DIGEST).tag == ""
    assert reference.repository == "quay.io/a/x"


REFERENCE_LIKE = st.text(alphabet="ab.:/@-_Z0" + "localhst", max_size=40) | st.from_regex(
    r"([a-z.]{1,9}(:[0-9]{1,3})?/)?[a-z]{1,4}(/[a-z._-]{1,4}){0,3}(:[a-z0-9.]{1,5})?"
    r"(@sha256:[0-9a-f]{64})?",
    fullmatch=True,
)


@given(REFERENCE_LIKE | st.text())
def test_any_text_parses_stably_or_is_refused(text: str) -> None:
    try:
        reference = parse_image_reference(text)
    except InvalidReference:
        return
    again = parse_image_reference(reference.exact)
    assert again == reference.most_specific
    assert again.exact == reference.exact
    assert reference.exact in (text, text.replace(f":{reference.tag}@", "@"))
    assert reference.network_host
    assert reference.with_client_defaults().with_client_defaults().exact == reference.normalized


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000 + "!",
        "a-" * 50_000 + "!",
        "-" * 100_000,
        "a" + "-" * 100_000,
        "a" + "_" * 100_000,
        "a." * 50_000 + "!",
        "a/" * 50_000 + "!",
        "A." * 50_000 + ":1/!",
        "x@a" + "+a" * 50_000,
        "x@sha256:" + "a" * 100_000 + "!",
        "1:" * 50_000,
    ],
)
def test_long_hostile_text_is_refused_quickly(text: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidReference):
        parse_image_reference(text)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app:v1", ("app", "v1")),
        ("app:V1.RC_2-x", ("app", "V1.RC_2-x")),
        ("app: odd tag ", ("app", " odd tag ")),
        ("app", None),
        ("app:", None),
        (":v1", None),
        ("a:b:c", None),
        ("a@b:c", None),
        ("", None),
    ],
)
def test_stream_tag_name_needs_exactly_one_colon(
    name: str, expected: tuple[str, str] | None
) -> None:
    assert split_stream_tag(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"app@{DIGEST}", ("app", DIGEST)),
        ("app@0123456789ab", ("app", "0123456789ab")),
        ("app", None),
        ("app@", None),
        ("@x", None),
        ("a@b@c", None),
    ],
)
def test_stream_image_name_needs_exactly_one_at(
    name: str, expected: tuple[str, str] | None
) -> None:
    assert split_stream_image(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("app", ("app", "latest")), ("app:", ("app", "latest")), ("app:1", ("app", "1"))],
)
def test_lenient_stream_tag_means_latest(name: str, expected: tuple[str, str]) -> None:
    assert split_stream_tag_leniently(name) == expected
