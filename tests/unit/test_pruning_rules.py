"""Keep rules, durations, references and schedules of the pruner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.api.kinds.image_pruner import IMAGE_PRUNERS
from tagstream.errors import InvalidInput
from tagstream.images.reference import InvalidReference
from tagstream.pruning.image_pruner import PrunerState, decide_status, find_problem
from tagstream.pruning.references import BadReference, StreamReference, read_reference
from tagstream.pruning.rules import (
    PruneRules,
    check_age,
    check_revisions,
    format_duration,
    parse_duration,
    rules_from_json,
    rules_from_spec,
    rules_over_size_limit,
)
from tagstream.pruning.schedule import decide_due, find_next, parse_schedule

DIGEST = f"sha256:{'a' * 64}"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("60m", "1h0m0s"),
        ("24h", "24h0m0s"),
        ("10s", "10s"),
        ("90s", "1m30s"),
        ("1h30m", "1h30m0s"),
        ("0", "0s"),
        ("1.5h", "1h30m0s"),
        ("1500us", "1.5ms"),
        ("2us", "2µs"),
        ("-1h", "-1h0m0s"),
    ],
)
def test_a_duration_is_read_and_printed_as_go_does(text: str, printed: str) -> None:
    assert format_duration(parse_duration("f", text)) == printed


@pytest.mark.parametrize("text", ["", "60", "1d", "h", "1 h", "one hour", "1h-1m", "9" * 40 + "h"])
def test_what_go_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--keep-younger-than"):
        parse_duration("--keep-younger-than", text)


@given(st.timedeltas(timedelta(0), timedelta(days=100_000)))
def test_a_printed_duration_reads_back(age: timedelta) -> None:
    assert parse_duration("f", format_duration(age)) == age


def test_a_negative_age_or_count_is_refused_and_named() -> None:
    with pytest.raises(InvalidInput, match="--keep-younger-than: must be greater than or equal"):
        check_age("--keep-younger-than", "-1h")
    with pytest.raises(InvalidInput, match="--keep-tag-revisions: must be greater than or equal"):
        check_revisions("--keep-tag-revisions", -1)


def test_rules_come_out_of_an_image_pruner_with_their_defaults() -> None:
    assert rules_from_spec({}) == PruneRules()
    spec = {"keepTagRevisions": 0, "keepYoungerThan": 10_000_000_000}
    assert rules_from_spec(spec) == PruneRules(0, timedelta(seconds=10))
    both = spec | {"keepYoungerThanDuration": "24h", "ignoreInvalidImageReferences": True}
    assert rules_from_spec(both) == PruneRules(0, timedelta(hours=24), True, True)


@pytest.mark.parametrize(
    "rules",
    [
        PruneRules(7, timedelta(minutes=90, milliseconds=5), False, True),
        PruneRules(namespace="shop"),
        rules_over_size_limit(namespace="shop", all_images=False, ignore_invalid_references=True),
    ],
)
def test_rules_survive_being_stored(rules: PruneRules) -> None:
    assert rules_from_json(rules.to_json()) == rules


def test_rules_that_an_older_release_stored_are_of_all_namespaces_and_no_size() -> None:
    stored = PruneRules(7).to_json()
    del stored["namespace"], stored["overSizeLimit"]
    assert rules_from_json(stored) == PruneRules(7)


@pytest.mark.parametrize(
    ("image", "read"),
    [
        (f"any:5000/shop/app@{DIGEST}", StreamReference("shop", "app", "", DIGEST)),
        (f"any:5000/shop/app:1@{DIGEST}", StreamReference("shop", "app", "", DIGEST)),
        ("quay.io/shop/app:1", StreamReference("shop", "app", "1", "")),
        ("quay.io/shop/app", StreamReference("shop", "app", "latest", "")),
        ("ruby", None),
        ("shop/ruby:1", None),
        ("quay.io/a/b/c", None),
        ("localhost:5000/app", None),
    ],
)
def test_only_host_namespace_and_name_is_about_a_stream(
    image: str, read: StreamReference | None
) -> None:
    assert read_reference(image) == read


def test_a_broken_reference_is_told_as_the_guides_pruner_tells_it() -> None:
    with pytest.raises(InvalidReference) as refused:
        read_reference("quay.io/Shop/app")
    bad = BadReference("pod", "shop", "web-1", True, "init", "quay.io/Shop/app", str(refused.value))
    assert bad.line() == (
        "pod/web-1 namespace=shop: init container init: invalid image reference "
        '"quay.io/Shop/app": repository name must be lowercase'
    )


@pytest.mark.parametrize(
    "line",
    ["", "x", "* * * *", "* * * * * *", "60 * * * *", "0 0 L * *", "0 0 * * 5L", "0 0 * * 1#2",
     "0 0 31 2 *", "@every 1h", "TZ=UTC 0 0 * * *", "*/0 * * * *", "9" * 500],
)  # fmt: skip
def test_what_is_no_cron_line_is_refused_with_the_field_named(line: str) -> None:
    with pytest.raises(InvalidInput, match=r"spec\.schedule"):
        parse_schedule(line)


@pytest.mark.parametrize(
    ("line", "since", "now", "due"),
    [
        ("0 0 * * *", "2026-11-22T10:00", "2026-11-23T00:00", "2026-11-23T00:00"),
        ("0 0 * * *", "2026-11-22T10:00", "2026-11-22T23:59", None),
        ("0 0 * * *", "2026-11-23T00:00", "2026-11-23T00:10", None),
        ("0 0 * * *", "2026-11-20T00:00", "2026-11-23T00:59", "2026-11-23T00:00"),
        ("0 0 * * *", "2026-11-20T00:00", "2026-11-23T01:01", None),
        ("*/5 * * * *", "2026-11-23T11:52", "2026-11-23T12:01", "2026-11-23T12:00"),
        ("@hourly", "2026-11-23T10:30", "2026-11-23T11:00", "2026-11-23T11:00"),
        ("0 0 * * MON-FRI", "2026-11-20T00:00", "2026-11-22T00:30", None),
    ],
)
def test_a_run_is_due_once_and_made_up_for_an_hour(
    line: str, since: str, now: str, due: str | None
) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"{text}:00+00:00")

    found = decide_due(parse_schedule(line), at(since), at(now))
    assert found == (at(due) if due else None)


def test_the_next_time_is_after_now() -> None:
    assert find_next(parse_schedule("0 0 * * *"), NOW) == datetime(2026, 11, 24, tzinfo=UTC)


def item(status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": "cluster", "generation": 4}, "status": status or {}}


def shown(status: dict[str, object] | None) -> dict[str, tuple[str, str]]:
    assert status is not None
    listed: Any = status["conditions"]
    return {one["type"]: (one["status"], one["reason"]) for one in listed}


def test_conditions_say_what_the_pruner_does() -> None:
    assert shown(decide_status(item(), PrunerState(False), NOW)) == {
        "Available": ("True", "AsExpected"),
        "Scheduled": ("True", "Scheduled"),
        "Failed": ("False", "Complete"),
        "Degraded": ("False", "AsExpected"),
    }
    failed = shown(decide_status(item(), PrunerState(True, failure="no"), NOW))
    assert (failed["Scheduled"], failed["Degraded"]) == (
        ("False", "Suspended"),
        ("True", "JobFailed"),
    )
    problem = shown(decide_status(item(), PrunerState(False, "no", "bad schedule"), NOW))
    assert problem["Degraded"] == ("True", "SyncError")


def test_what_cannot_be_followed_is_read_back_from_the_conditions() -> None:
    wrong = decide_status({}, PrunerState(False, problem="spec.schedule: no"), NOW)
    refused = decide_status({}, PrunerState(False, failure="pod/bad"), NOW)
    assert find_problem({"status": wrong}) == "spec.schedule: no"
    assert find_problem({"status": refused}) == find_problem({}) == ""


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = decide_status(item(), PrunerState(False), NOW)
    assert first is not None
    assert decide_status(item(first), PrunerState(False), NOW + timedelta(hours=1)) is None
    later = decide_status(item(first), PrunerState(True), NOW + timedelta(hours=1))
    assert later is not None
    listed: Any = later["conditions"]
    times = {one["type"]: one["lastTransitionTime"] for one in listed}
    assert times["Available"] == "2026-11-23T12:00:00Z"
    assert times["Scheduled"] == "2026-11-23T13:00:00Z"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"schedule": "every day"}, "spec.schedule"),
        ({"keepYoungerThanDuration": "-1h"}, "spec.keepYoungerThanDuration"),
        ({"keepYoungerThanDuration": "1d"}, "spec.keepYoungerThanDuration"),
        ({"keepYoungerThan": -1}, "spec.keepYoungerThan"),
        ({"logLevel": "Loud"}, "spec.logLevel"),
    ],
)
def test_the_kind_refuses_what_cannot_be_followed(spec: dict[str, Any], field: str) -> None:
    errors = IMAGE_PRUNERS.rules.validate({"spec": spec}, None)
    assert [error.path for error in errors] == [field]


def test_the_kind_takes_what_the_guide_shows() -> None:
    spec = {"schedule": "0 0 * * *", "keepYoungerThanDuration": "60m", "logLevel": "Normal"}
    assert IMAGE_PRUNERS.rules.validate({"spec": spec}, None) == []
    assert IMAGE_PRUNERS.rules.check_name("cluster") == []
    assert IMAGE_PRUNERS.rules.check_name("other")
