"""The order of a repository's tags for import."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tagstream.images.tag_order import sort_tags_for_import

SPEC_EXAMPLE = [
    "latest",
    "10.0",
    "5.3",
    "v5.3",
    "5.1",
    "v5.1-rc1",
    "3.6",
    "9.9.9",
    "5.2.3",
    "5.1.9-alpha",
    "v3.11.59-2",
    "3.6.0",
    "v2.0.1-may-2019",
    "05.1",
    "1.2.3.4",
    "2",
    "stable",
    "v10",
]


@given(st.permutations(SPEC_EXAMPLE))
def test_spec_example_comes_out_in_its_order(tags: list[str]) -> None:
    assert sort_tags_for_import(tags) == SPEC_EXAMPLE


@given(st.lists(st.text() | st.from_regex(r"v?\d{1,25}\.\d(\.\d)?(-[\w.-]{1,5})?"), max_size=20))
def test_any_tags_are_all_kept_and_sorting_again_changes_nothing(tags: list[str]) -> None:
    ordered = sort_tags_for_import(tags)
    assert sorted(ordered) == sorted(tags)
    assert sort_tags_for_import(reversed(ordered)) == ordered


def test_prerelease_parts_compare_as_semver_says() -> None:
    newest_first = ["1.0.0", "1.0.0-rc.1", "1.0.0-beta.11", "1.0.0-beta.2", "1.0.0-beta"]
    newest_first += ["1.0.0-alpha.beta", "1.0.0-alpha.1", "1.0.0-alpha", "1.0.0-7"]
    assert sort_tags_for_import(sorted(newest_first)) == newest_first


def test_numbers_no_version_can_hold_sort_with_the_rest() -> None:
    huge = "9" * 10_000 + ".1"
    assert sort_tags_for_import(["stable", huge, "1.2-01", "0.1"]) == [
        "0.1",
        "1.2-01",
        huge,
        "stable",
    ]
