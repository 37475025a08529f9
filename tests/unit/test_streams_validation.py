"""Which streams may be stored (§1.4, acceptance cases 1 to 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.streams import alias, image_stream, registry_tag
from tagstream.streams.image_stream import ImportPolicy, TagReference, TagSource
from tagstream.streams.problems import ProblemKind
from tagstream.streams.validation import validate_name, validate_stream, validate_tag

NAME_RULE = 'must match "[a-z0-9]+(?:[._-][a-z0-9]+)*"'
FIELD = "spec.tags[t]"


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("Foo", NAME_RULE),
        ("a--b", NAME_RULE),
        ("a\n", NAME_RULE),
        ("", NAME_RULE),
        (".", "may not be '.'"),
        ("..", "may not be '..'"),
        ("a/b", "may not contain '/'"),
        ("a%b", "may not contain '%'"),
    ],
)
def test_a_bad_name_is_refused(name: str, detail: str) -> None:
    (problem,) = validate_name("demo", name)
    assert (problem.field, problem.value, problem.detail) == ("metadata.name", name, detail)


@pytest.mark.parametrize(("length", "good"), [(191, True), (192, False)])
def test_namespace_and_name_share_255_characters(length: int, good: bool) -> None:
    found = validate_name("n" * 63, "a" * length)
    assert [p.detail for p in found] == (
        [] if good else ["'namespace/name' cannot be longer than 255 characters"]
    )


@pytest.mark.parametrize(
    ("pull", "detail"),
    [
        ("foo/Bar", "repository name must be lowercase"),
        (f"x@sha256:{'a' * 63}", "invalid checksum digest length"),
        (f"x@sha1:{'a' * 40}", "unsupported digest algorithm"),
        ("x@sha256:ab312bda324", "invalid reference format"),
    ],
)
def test_a_bad_pull_spec_is_refused(pull: str, detail: str) -> None:
    (problem,) = validate_tag(registry_tag("t", pull), FIELD)
    assert (problem.field, problem.detail) == (f"{FIELD}.from.name", detail)


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (
            TagReference("t", TagSource("DockerImage", "")),
            [(f"{FIELD}.from.name", ProblemKind.REQUIRED, "")],
        ),
        (
            TagReference("t", TagSource("Pod", "x")),
            [
                (
                    f"{FIELD}.from.kind",
                    ProblemKind.REQUIRED,
                    "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'",
                )
            ],
        ),
        (
            replace(alias("t", "a"), import_policy=ImportPolicy(scheduled=True)),
            [
                (
                    f"{FIELD}.importPolicy.scheduled",
                    ProblemKind.INVALID,
                    "only tags pointing to Docker repositories may be scheduled for background "
                    "import",
                )
            ],
        ),
        (
            registry_tag("t", policy=ImportPolicy(import_mode="Nope"), reference_policy="No"),
            [
                (
                    f"{FIELD}.importPolicy.importMode",
                    ProblemKind.INVALID,
                    "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'",
                ),
                (
                    f"{FIELD}.referencePolicy.type",
                    ProblemKind.INVALID,
                    'valid values are "Source", "Local"',
                ),
            ],
        ),
        (TagReference("t"), []),
    ],
)
def test_each_field_of_a_tag_has_its_rule(
    ref: TagReference, expected: list[tuple[str, ProblemKind, str]]
) -> None:
    assert [(p.field, p.kind, p.detail) for p in validate_tag(ref, FIELD)] == expected


@pytest.mark.parametrize("name", ["V1.RC_2-x", "t" * 129, "not a tag!", ""])
def test_the_name_of_a_tag_is_free(name: str) -> None:
    assert validate_stream(None, image_stream([registry_tag(name)])) == []


@pytest.mark.parametrize(
    ("repository", "detail"),
    [
        ("quay.io/a/b:1", "the repository name may not contain a tag"),
        (f"quay.io/a/b@sha256:{'a' * 64}", "the repository name may not contain an ID"),
        ("A B", "invalid reference format"),
    ],
)
def test_the_streams_repository_names_no_image(repository: str, detail: str) -> None:
    (problem,) = validate_stream(None, image_stream(repository=repository))
    assert (problem.field, problem.detail) == ("spec.dockerImageRepository", detail)


def test_what_was_stored_is_not_judged_again() -> None:
    old = replace(
        image_stream([registry_tag("t", "foo/Bar")], repository="quay.io/a:1"), name="Old_Name"
    )
    assert validate_stream(old, replace(old, lookup_local=True)) == []
    assert len(validate_stream(None, old)) == 3
