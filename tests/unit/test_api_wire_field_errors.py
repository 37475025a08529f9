"""Single field errors and Go's quoting."""

from __future__ import annotations

import pytest

from tagstream.api.wire import field_errors as fields
from tagstream.api.wire.go_text import go_quote


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (fields.required_value("a"), "a: Required value"),
        (fields.missing_value("a", "x"), 'a: Not found: "x"'),
        (fields.duplicate_value("a", 3), "a: Duplicate value: 3"),
        (
            fields.unsupported_value("a", "x", ["b", "c"]),
            'a: Unsupported value: "x": supported values: "b", "c"',
        ),
        (fields.invalid_value("a", {"b": [1, None, "<"]}, "d"), None),
        (fields.invalid_value("a", 1.0, "d"), "a: Invalid value: 1: d"),
        (fields.too_long_value("a", 5), "a: Too long: may not be more than 5 bytes"),
    ],
)
def test_a_field_error_reads_as_in_go(error: fields.FieldError, text: str | None) -> None:
    assert str(error) == (text or 'a: Invalid value: {"b":[1,null,"\\u003c"]}: d')


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\nb\x00", '"a\\nb\\x00"'),
        ("ü☃", '"ü☃"'),
        ("\u200b", '"\\u200b"'),
    ],
)
def test_strings_are_quoted_as_in_go(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted
