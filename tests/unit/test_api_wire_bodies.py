"""Reading and writing bodies: recorded refusals, bounds, and what is filled in."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.api.wire.decode import (
    Expected,
    decode_body,
    decode_delete_options,
    decode_patch,
)
from tagstream.api.wire.encode import encode_body, encode_json, encode_watch_event, encode_yaml
from tagstream.api.wire.field_validation import (
    FieldValidation,
    find_duplicate_fields,
    find_unknown_fields,
    parse_field_validation,
)
from tagstream.api.wire.negotiation import Encoding, PatchType
from tagstream.api.wire.status import ApiError

STREAM = Expected("image.openshift.io/v1", "ImageStream")
JSON = "application/json"
YAML = "application/yaml"
UNRECOGNIZED = "the object provided is unrecognized (must be of type ImageStream): "
PARSE = UNRECOGNIZED + "couldn't get version/kind; json parse error: "


def refusal(data: bytes, content_type: str = JSON) -> str:
    with pytest.raises(ApiError) as caught:
        decode_body(data, content_type, STREAM)
    assert caught.value.code == 400
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"{not json",
            "invalid character 'n' looking for beginning of object key string ({not json)",
        ),
        (b"", "unexpected end of JSON input (<empty>)"),
        (b'{"a":1', 'unexpected end of JSON input ({"a":1)'),
        (b'{"a" 1}', "invalid character '1' after object key ({\"a\" 1})"),
        (b'{"a":1 "b"}', 'invalid character \'"\' after object key:value pair ({"a":1 "b"})'),
        (b'{"a":[1 2]}', "invalid character '2' after array element ({\"a\":[1 2]})"),
        (b'{"a":tru}', "invalid character '}' in literal true (expecting 'e') ({\"a\":tru})"),
        (b"{}x", "invalid character 'x' after top-level value ({}x)"),
        (b'{"a":"\\q"}', 'invalid character \'q\' in string escape code ({"a":"\\q"})'),
    ],
)
def test_malformed_json_is_described_as_go_does(data: bytes, message: str) -> None:
    assert refusal(data) == PARSE + message


def test_a_wrong_kind_is_named() -> None:
    assert refusal(b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}') == (
        'Pod in version "v1" cannot be handled as a ImageStream: '
        "converting (v1.Pod) to (image.ImageStream): unknown conversion"
    )


def test_a_wrong_version_is_named() -> None:
    assert refusal(b'{"apiVersion":"v2","kind":"ImageStream"}') == (
        "the API version in the data (v2) does not match "
        "the expected API version (image.openshift.io/v1)"
    )


def test_a_missing_type_is_filled_in() -> None:
    body = decode_body(b'{"metadata":{"name":"x"}}', None, STREAM).body
    assert (body["apiVersion"], body["kind"]) == ("image.openshift.io/v1", "ImageStream")


@pytest.mark.parametrize(
    "metadata", [b'"x"', b'{"name":1}', b'{"labels":{"a":1}}', b'{"finalizers":"x"}', b"[]"]
)
def test_metadata_of_a_wrong_type_is_refused(metadata: bytes) -> None:
    assert "json: cannot unmarshal" in refusal(b'{"metadata":' + metadata + b"}")


def test_null_metadata_fields_count_as_absent() -> None:
    body = decode_body(b'{"metadata":{"name":"x","creationTimestamp":null}}', JSON, STREAM).body
    assert body["metadata"] == {"name": "x"}


@pytest.mark.parametrize("data", [b'{"a":' * 200 + b"1" + b"}" * 200, b"[" * 100_000])
def test_deep_nesting_is_refused(data: bytes) -> None:
    refusal(data)


def test_strict_validation_names_unknown_fields() -> None:
    data = b'{"metadata":{},"spec":{"tags":[{"nmae":1}]},"sepc":{"a":1}}'
    fields = {"spec": {"tags": {"name": None}}}
    with pytest.raises(ApiError) as caught:
        decode_body(data, JSON, STREAM, policy=FieldValidation.STRICT, fields=fields)
    assert caught.value.message == (
        'ImageStream in version "v1" cannot be handled as a ImageStream: strict decoding error: '
        'unknown field "spec.tags[0].nmae", unknown field "sepc"'
    )
    warned = decode_body(data, JSON, STREAM, policy=FieldValidation.WARN, fields=fields)
    assert warned.warnings[1] == 'unknown field "sepc"'


def test_huge_numbers_do_not_break_the_search_for_duplicates() -> None:
    assert find_duplicate_fields(b'{"a":' + b"9" * 5000 + b"}") == []


def test_duplicates_are_found_by_path() -> None:
    data = b'{"spec":{"a":1,"a":2},"l":[{"b":1,"b":1,"b":1}]}'
    assert find_duplicate_fields(data) == [
        'duplicate field "spec.a"',
        'duplicate field "l[0].b"',
    ]
    assert find_unknown_fields({"metadata": {"nmae": 1}}, {}) == ['unknown field "metadata.nmae"']


def test_field_validation_takes_three_words() -> None:
    assert parse_field_validation(None) is FieldValidation.WARN
    with pytest.raises(ApiError, match='supported values: "Ignore", "Warn", "Strict"'):
        parse_field_validation("strict")


def test_yaml_is_read_as_kubernetes_does() -> None:
    data = (
        b"metadata: {name: x, labels: {on: 'yes'}}\n"
        b"spec: {a: 22:22, b: 2026-01-01, c: 010, 5: yes}\n"
    )
    body = decode_body(data, YAML, STREAM).body
    assert body["metadata"]["labels"] == {"true": "yes"}
    assert body["spec"] == {"a": "22:22", "b": "2026-01-01", "c": 8, "5": True}


def _references(level: int) -> list[bytes]:
    return [b"x"] if level == ord("a") else [b"*%c" % (level - 1)] * 9


#: Ten levels of nine references each: 9**10 nodes once written out.
ALIAS_BOMB = b"".join(
    b"%c: &%c [%s]\n" % (level, level, b",".join(_references(level)))
    for level in range(ord("a"), ord("l"))
)


@pytest.mark.parametrize(
    "data",
    [
        ALIAS_BOMB,
        b"a: &a {b: *a}\n",
        b"a: !!python/object:os.system {}\n",
        b"a: [\n",
        b"a: .inf\n",
        b"[" * 5000,
        b"a: 1\n---\nb: 2\n",
        b"? [a]\n: 1\n",
        b"\xff\xfe\x00",
    ],
)
def test_hostile_yaml_is_a_bad_request(data: bytes) -> None:
    assert refusal(data, YAML).startswith("the object provided is unrecognized")


def test_json_sent_as_yaml_is_read_as_json() -> None:
    data = b'{"metadata":{"name":"x"},"spec":{"a":[' + b"1," * 200_000 + b"1]}}"
    assert len(decode_body(data, YAML, STREAM).body["spec"]["a"]) == 200_001


def test_a_long_broken_body_is_not_searched_for_its_error() -> None:
    assert "malformed JSON" in refusal(b'{"a":"' + b"x" * 200_000)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_object_or_a_refusal(data: bytes) -> None:
    for content_type in (JSON, YAML):
        try:
            decode_body(data, content_type, STREAM)
        except ApiError as error:
            assert error.code == 400  # noqa: PT017 (both ends are allowed)


def test_delete_options_may_be_of_any_group() -> None:
    assert decode_delete_options(b"", None) == {}
    body = decode_delete_options(b'{"propagationPolicy":"Background"}', JSON)
    assert body["propagationPolicy"] == "Background"
    decode_delete_options(b'{"kind":"DeleteOptions","apiVersion":"image.openshift.io/v1"}', JSON)
    with pytest.raises(ApiError):
        decode_delete_options(b'{"kind":"Pod"}', JSON)


def test_patches_have_the_right_outer_type() -> None:
    assert decode_patch(b"[]", PatchType.JSON) == []
    assert decode_patch(b"a: 1", PatchType.APPLY) == {"a": 1}
    for data, patch_type in ((b"{}", PatchType.JSON), (b"[]", PatchType.MERGE)):
        with pytest.raises(ApiError, match="json: cannot unmarshal"):
            decode_patch(data, patch_type)


OBJECT = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}


def test_json_ends_with_a_newline() -> None:
    assert encode_json({"a": 1}) == b'{"a":1}\n'
    assert encode_json({"a": 1}, pretty=True) == b'{\n  "a": 1\n}\n'


def test_yaml_written_is_yaml_read() -> None:
    value = {**OBJECT, "spec": {"a": "yes", "b": "1", "c": [1, None], "d": "ü"}}
    expected = Expected("v1", "Secret")
    assert decode_body(encode_yaml(value), YAML, expected).body == value


def test_shared_values_are_written_in_full() -> None:
    assert b"*" not in encode_yaml({"a": [shared := {"x": 1}, shared]})


def test_a_watch_event_frames_an_encoded_object() -> None:
    line = encode_watch_event("ADDED", encode_body(OBJECT, Encoding.JSON), Encoding.JSON)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"type": "ADDED", "object": OBJECT}
    document = encode_watch_event("ADDED", encode_body(OBJECT, Encoding.YAML), Encoding.YAML)
    event = decode_patch(document, PatchType.APPLY)
    assert orjson.dumps(event, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        {"type": "ADDED", "object": OBJECT}, option=orjson.OPT_SORT_KEYS
    )
