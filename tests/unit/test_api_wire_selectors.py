"""Label and field selectors: what they match and what they say when they cannot be read."""

from __future__ import annotations

import pytest

from tagstream.api.wire.selectors import (
    FieldTerm,
    Operator,
    Requirement,
    parse_field_selector,
    parse_label_selector,
)
from tagstream.api.wire.status import ApiError

LABELS = {"app": "web", "tier": "", "n": "5", "example.com/x": "y"}
FIELDS = ("metadata.name", "metadata.namespace")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("app=web", True),
        ("app == web , tier=", True),
        ("app!=web", False),
        ("other!=web", True),
        ("app in (api, web)", True),
        ("app notin (api,web)", False),
        ("other notin (a)", True),
        ("tier in ()", True),
        ("tier in (a,,b)", True),
        ("n>4,n<6", True),
        ("n>5", False),
        ("app>1", False),
        ("example.com/x=y", True),
        ("in in (in),app", False),
        ("notin", False),
    ],
)
def test_a_label_selector_selects(text: str, expected: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is expected


def test_a_label_selector_is_plain_sorted_data() -> None:
    assert parse_label_selector("b in (y,x),a").requirements == (
        Requirement("a", Operator.EXISTS),
        Requirement("b", Operator.IN, ("x", "y")),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
            "operators, the value must be an integer",
        ),
    ],
)
def test_a_broken_label_selector_is_a_bad_request(text: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_label_selector(text)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_a_bad_key_or_value_is_named() -> None:
    with pytest.raises(ApiError, match='<nil>: Invalid value: "-a": name part must consist'):
        parse_label_selector("-a")
    with pytest.raises(ApiError, match=r'values\[0\]\[a\]: Invalid value: "-"'):
        parse_label_selector("a=-")


def test_a_field_selector_compares_exactly() -> None:
    selector = parse_field_selector("metadata.name=app,metadata.namespace!=x", FIELDS)
    assert selector.matches({"metadata.name": "app", "metadata.namespace": "y"})
    assert not selector.matches({"metadata.name": "app", "metadata.namespace": "x"})
    assert selector.required_value("metadata.name") == "app"
    assert selector.required_value("metadata.namespace") is None


def test_escapes_and_double_equals_are_read() -> None:
    selector = parse_field_selector("metadata.name==a\\,b\\=c\\\\", FIELDS)
    assert selector.terms == (FieldTerm("metadata.name", "a,b=c\\"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        (
            "spec.x=1",
            '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (
            "metadata.name=a\\b",
            "invalid field selector: invalid escape sequence: \\b",
        ),
    ],
)
def test_a_broken_field_selector_is_a_bad_request(text: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_field_selector(text, FIELDS)
    assert (caught.value.code, caught.value.message) == (400, message)
