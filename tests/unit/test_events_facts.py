"""Facts and jobs: names that agree, proto3 JSON, and readers that forgive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from tagstream.errors import InvalidInput
from tagstream.events.facts import (
    FACTS,
    ImportCompleted,
    TagChanged,
    TriggersPaused,
    fact_data,
    parse_fact,
)
from tagstream.events.jobs import JOBS, ImportTags, parse_job
from tagstream.events.message import Message, TagResult
from tagstream.events.outgoing import build_event, subject_of
from tagstream.events.subjects import noun_and_verb

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("fact", FACTS.values(), ids=lambda fact: fact.__name__)
def test_type_and_class_say_the_same(fact: type[Message]) -> None:
    noun, verb = noun_and_verb(fact.TYPE)
    assert fact.__name__ == noun.capitalize() + verb.capitalize()
    assert f"dev.tagstream.{noun}.{verb}.v1" == fact.TYPE


def test_default_values_are_left_out() -> None:
    assert fact_data(TagChanged()) == {}
    assert fact_data(TagChanged(tag="prod", generation=0, scheduled=False)) == {"tag": "prod"}


def test_names_are_lower_camel_case_and_parts_are_nested() -> None:
    fact = ImportCompleted(stream_uid="u", results=(TagResult(tag="a", digest="d"), TagResult()))
    assert fact_data(fact) == {"streamUid": "u", "results": [{"tag": "a", "digest": "d"}, {}]}


def test_the_position_is_stamped_as_text() -> None:
    data = fact_data(TagChanged(tag="prod"), position=2**60)
    assert data == {"tag": "prod", "position": "1152921504606846976"}


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (NOON, "2026-11-23T12:00:00Z"),
        (NOON.replace(microsecond=120_000), "2026-11-23T12:00:00.120Z"),
        (NOON.replace(microsecond=120_001), "2026-11-23T12:00:00.120001Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-11-23T12:00:00Z"),
    ],
)
def test_a_time_is_written_in_utc_with_as_few_digits_as_will_do(time: datetime, text: str) -> None:
    assert fact_data(TagChanged(occurred_at=time)) == {"occurredAt": text}


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        TagChanged(occurred_at=NOON.replace(tzinfo=None))


def test_a_fact_cannot_be_altered() -> None:
    fact = TagChanged(tag="prod")
    with pytest.raises(ValidationError, match="frozen"):
        fact.tag = "other"  # type: ignore[misc]


def test_a_reader_ignores_fields_of_a_later_release() -> None:
    data = b'{"tag": "prod", "invented": {"later": [1]}, "position": "7"}'
    assert parse_fact(TagChanged.TYPE, data) == TagChanged(tag="prod", position="7")


def test_data_is_read_from_bytes_and_from_a_mapping() -> None:
    job = ImportTags(import_id="i", host="quay.io", occurred_at=NOON)
    assert parse_job(ImportTags.TYPE, job.to_data()) == job
    assert parse_job(ImportTags.TYPE, job.model_dump_json().encode()) == job


def test_data_that_does_not_fit_is_refused_by_field() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_fact(ImportCompleted.TYPE, b'{"results": [{"generation": 2147483648}]}')
    assert refused.value.field == "results.0.generation"
    with pytest.raises(InvalidInput, match="TagChanged"):
        parse_fact(TagChanged.TYPE, b"not json")


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(InvalidInput, match="type"):
        parse_fact("dev.tagstream.tag.invented.v1", b"{}")
    with pytest.raises(InvalidInput, match="type"):
        parse_job(TagChanged.TYPE, b"{}")
    assert not set(FACTS) & set(JOBS)


def test_the_subject_follows_from_type_and_data() -> None:
    changed = TagChanged(namespace="shop", stream="app", tag="3.6").to_data()
    job = ImportTags(namespace="shop", stream="app", host="quay.io").to_data()
    assert subject_of(TagChanged.TYPE, changed) == "tagstream.events.shop.tag.changed.app.3%2E6"
    assert subject_of(ImportTags.TYPE, job) == "tagstream.jobs.import.quay%2Eio.shop.app"
    assert subject_of(TriggersPaused.TYPE, {}) == "tagstream.events._.triggers.paused._._"


@pytest.mark.parametrize(
    ("data", "about"),
    [
        ({"namespace": "shop", "stream": "app", "tag": "3.6"}, "shop/app:3.6"),
        ({"namespace": "shop", "stream": "app"}, "shop/app"),
        ({"namespace": "shop"}, "shop"),
        ({}, ""),
    ],
)
def test_the_envelope_says_what_it_is_about(data: dict[str, str], about: str) -> None:
    event = build_event("id", TagChanged.TYPE, data, time=NOON, extras={"epoch": "2"})
    assert (event.subject, event.data_object(), event.extras) == (about, data, {"epoch": "2"})
