"""Subjects: what NATS may see, and that names survive the journey."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.errors import InvalidInput
from tagstream.events.subjects import (
    EventSubject,
    ImportSubject,
    decode_token,
    encode_token,
    event_subject,
    events_filter,
    import_subject,
    imports_filter,
    noun_and_verb,
    parse_event_subject,
    parse_import_subject,
)

TAG_CHANGED = "dev.tagstream.tag.changed.v1"
names = st.text(max_size=30) | st.from_regex(r"[\w][\w.-]{0,127}", fullmatch=True)
short_names = st.text(max_size=16)


def matches(pattern: str, subject: str) -> bool:
    """What a NATS server does with a filter."""
    wanted, tokens = pattern.split("."), subject.split(".")
    for position, token in enumerate(wanted):
        if token == ">":
            return len(tokens) > position
        if position >= len(tokens) or token not in ("*", tokens[position]):
            return False
    return len(wanted) == len(tokens)


@given(st.text(max_size=400))
def test_a_token_holds_only_what_nats_allows(name: str) -> None:
    assert re.fullmatch(r"[!-)+,\-/-=?-~]{1,200}", encode_token(name))


@given(short_names)
def test_a_name_survives_its_token(name: str) -> None:
    assert decode_token(encode_token(name)) == name


@given(st.text(max_size=300), st.text(max_size=300))
def test_two_names_never_share_a_token(one: str, other: str) -> None:
    assert (encode_token(one) == encode_token(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("", "_"),
        ("_", "%5F"),
        ("__", "__"),
        ("3.6", "3%2E6"),
        ("100%", "100%25"),
        ("a*b>c d", "a%2Ab%3Ec%20d"),
        ("~tilde", "%7Etilde"),
        ("über", "%C3%BCber"),
        ("registry.local:5000", "registry%2Elocal:5000"),
        ("\x7f\n", "%7F%0A"),
    ],
)
def test_the_encoding_is_fixed_for_ever(name: str, token: str) -> None:
    assert encode_token(name) == token


def test_a_token_over_200_bytes_becomes_a_hash() -> None:
    assert encode_token("a" * 200) == "a" * 200
    hashed = encode_token("a" * 201)
    assert re.fullmatch(r"~[0-9a-f]{64}", hashed)
    assert encode_token("." * 67) != encode_token("." * 68)
    assert decode_token(hashed) == hashed


@given(short_names, short_names, short_names)
def test_an_event_subject_is_read_as_it_was_built(namespace: str, stream: str, tag: str) -> None:
    subject = event_subject(TAG_CHANGED, namespace, stream, tag)
    assert parse_event_subject(subject) == EventSubject(namespace, "tag", "changed", stream, tag)


@given(short_names, short_names, short_names)
def test_an_import_subject_is_read_as_it_was_built(host: str, namespace: str, stream: str) -> None:
    subject = import_subject(host, namespace, stream)
    assert parse_import_subject(subject) == ImportSubject(host, namespace, stream)


def test_a_fact_without_a_tag_has_an_underscore_there() -> None:
    subject = event_subject("dev.tagstream.import.completed.v1", "shop", "app")
    assert subject == "tagstream.events.shop.import.completed.app._"
    assert event_subject("triggers.paused", "") == "tagstream.events._.triggers.paused._._"


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "tagstream.events.shop.tag.changed.app",
        "tagstream.events.shop.tag.changed.app.prod.x",
        "tagstream.events..tag.changed.app.prod",
        "tagstream.eventsx.shop.tag.changed.app.prod",
        "tagstream.events.shop.tag.changed.app.%FF",
        "other.events.shop.tag.changed.app.prod",
    ],
)
def test_a_foreign_subject_is_refused(subject: str) -> None:
    with pytest.raises(InvalidInput, match="subject"):
        parse_event_subject(subject)
    with pytest.raises(InvalidInput, match="subject"):
        parse_import_subject(subject)


@pytest.mark.parametrize("event_type", ["", "tag", "Tag.changed", "dev.tagstream.a.b.c.v1", "a.*"])
def test_what_is_no_event_type_is_refused(event_type: str) -> None:
    with pytest.raises(InvalidInput, match="type"):
        noun_and_verb(event_type)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "tagstream.events.>"),
        ({"namespace": "shop"}, "tagstream.events.shop.>"),
        ({"namespace": ""}, "tagstream.events._.>"),
        ({"event_type": TAG_CHANGED}, "tagstream.events.*.tag.changed.>"),
        ({"event_type": "tag.changed"}, "tagstream.events.*.tag.changed.>"),
        ({"namespace": "shop", "stream": "app"}, "tagstream.events.shop.*.*.app.>"),
        ({"tag": "3.6"}, "tagstream.events.*.*.*.*.3%2E6"),
    ],
)
def test_a_filter_leaves_open_what_was_not_asked(arguments: dict[str, str], expected: str) -> None:
    assert events_filter(**arguments) == expected


@given(names, names, names, st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_filter_matches_the_subject_it_was_made_for(
    namespace: str, stream: str, tag: str, given_parts: list[bool]
) -> None:
    parts = (namespace, TAG_CHANGED, stream, tag)
    asked = [part if use else None for part, use in zip(parts, given_parts, strict=True)]
    assert matches(events_filter(*asked), event_subject(TAG_CHANGED, namespace, stream, tag))
    assert not matches(
        events_filter("elsewhere!" + namespace), event_subject(TAG_CHANGED, namespace)
    )


def test_an_import_filter_takes_one_host() -> None:
    subject = import_subject("quay.io", "shop", "app")
    assert subject == "tagstream.jobs.import.quay%2Eio.shop.app"
    assert matches(imports_filter(), subject)
    assert matches(imports_filter("quay.io"), subject)
    assert not matches(imports_filter("docker.io"), subject)
