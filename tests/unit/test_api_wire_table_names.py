"""Tables with their durations and sizes, and the rules for names."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tagstream.api.wire import names
from tagstream.api.wire.status import ApiError
from tagstream.api.wire.table import (
    Column,
    IncludeObject,
    Row,
    build_partial_metadata_list,
    build_table,
    human_ago,
    human_size,
    parse_include_object,
    short_age,
)

HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (HOUR - 1, "59 minutes"),
        (HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (48 * HOUR, "2 days"),
        (14 * DAY, "2 weeks"),
        (60 * DAY, "2 months"),
        (800 * DAY, "2 years"),
    ],
)
def test_an_age_reads_as_in_openshift(seconds: float, text: str) -> None:
    assert human_ago(timedelta(seconds=seconds)) == f"{text} ago"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (119, "119s"),
        (185, "3m5s"),
        (180, "3m"),
        (11 * 60 + 5, "11m"),
        (3 * HOUR + 120, "3h2m"),
        (9 * HOUR, "9h"),
        (51 * HOUR, "2d3h"),
        (9 * DAY, "9d"),
        (800 * DAY, "2y70d"),
        (9 * 365 * DAY, "9y"),
    ],
)
def test_a_short_age_reads_as_in_kubernetes(seconds: float, text: str) -> None:
    assert short_age(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (796_000, "796kB"), (32_190_000, "32.19MB"), (2_746_000_000, "2.746GB")],
)
def test_a_size_has_four_digits(size: int, text: str) -> None:
    assert human_size(size) == text


STREAM = {"kind": "ImageStream", "metadata": {"name": "app"}, "spec": {}}


def test_a_table_carries_what_was_asked_for() -> None:
    rows = [Row(("app", 3), STREAM)]
    columns = [Column("Name", format="name"), Column("N", type="integer", priority=1)]
    table = build_table(columns, rows, list_metadata={"resourceVersion": "7"})
    assert (table["apiVersion"], table["metadata"]) == (
        "meta.k8s.io/v1",
        {"resourceVersion": "7"},
    )
    assert table["columnDefinitions"][1] == {
        "name": "N",
        "type": "integer",
        "format": "",
        "description": "",
        "priority": 1,
    }
    assert table["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "app"},
    }
    assert build_table([], rows, IncludeObject.OBJECT)["rows"][0]["object"] == STREAM
    assert build_table([], rows, IncludeObject.NONE)["rows"][0]["object"] is None


def test_partial_lists_keep_metadata_only() -> None:
    partial = build_partial_metadata_list([STREAM], {"resourceVersion": "1"})
    assert partial["items"][0]["metadata"] == {"name": "app"}


def test_include_object_takes_three_words() -> None:
    assert parse_include_object(None) is IncludeObject.METADATA
    with pytest.raises(ApiError):
        parse_include_object("All")


LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def test_labels_are_checked_in_the_words_of_kubernetes() -> None:
    assert names.check_dns_label("my-name") == []
    assert names.check_dns_label("My") == [LABEL_TEXT]
    assert names.check_dns_label("a.b") == ["must not contain dots"]
    assert names.check_dns_label("a" * 64) == ["must be no more than 63 bytes"]
    assert names.check_dns_label("a\n") == [LABEL_TEXT]


def test_subdomains_and_path_segments() -> None:
    assert names.check_dns_subdomain("a.b-c.d") == []
    assert names.check_dns_subdomain("a..b")[0].startswith("a lowercase RFC 1123 subdomain")
    assert names.check_path_segment("system:image-puller") == []
    assert names.check_path_segment("a/%") == ["may not contain '/'", "may not contain '%'"]
    assert names.check_path_segment("..") == ["may not be '..'"]


def test_keys_have_a_prefix_and_a_name() -> None:
    assert names.check_label_key("example.com/x") == []
    assert names.check_label_key("/x") == ["prefix part must be non-empty"]
    assert names.check_label_key("a/")[0] == "name part must be non-empty"
    assert names.check_label_key("a/b/c")[0].startswith("a valid label key must consist")


def test_maps_report_each_entry_on_their_own_path() -> None:
    errors = names.validate_labels({"ok": "yes", "-": "-"}, "metadata.labels")
    assert [error.path for error in errors] == ["metadata.labels"] * 2
    assert names.validate_annotations({"UPPER.example.com/x": "any value!"}, "a") == []
    too_long = names.validate_annotations({"k": "x" * (256 * 1024)}, "metadata.annotations")
    assert str(too_long[0]) == "metadata.annotations: Too long: may not be more than 262144 bytes"


def test_data_keys_may_not_climb() -> None:
    assert names.check_data_key(".dockerconfigjson") == []
    assert names.check_data_key("..x") == ["must not start with '..'"]


def test_a_generated_name_fits_a_label() -> None:
    assert names.generate_name("gen-", "xbhd6") == "gen-xbhd6"
    assert len(names.generate_name("a" * 80, "xbhd6")) == 63
    assert names.check_dns_label(names.mask_trailing_dash("gen-")) == []
