"""The annotation is decoded as OpenShift decodes it (spec/triggers-lookup-pruning.md A2)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.errors import InvalidInput
from tagstream.trigger_dispatcher.annotation import Trigger, parse_triggers

PATH = 'spec.template.spec.containers[?(@.name=="web")].image'


def annotation(**overrides: object) -> str:
    entry = {"from": {"kind": "ImageStreamTag", "name": "app:1"}, "fieldPath": PATH, **overrides}
    return json.dumps([entry])


def test_what_oc_writes_is_read() -> None:
    text = (
        '[{"from":{"kind":"ImageStreamTag","name":"app:1","namespace":"other"},'
        f'"fieldPath":{json.dumps(PATH)},"paused":true}}]'
    )
    assert parse_triggers(text) == (Trigger("ImageStreamTag", "", "other", "app:1", PATH, True),)


@pytest.mark.parametrize("text", ["null", "[]", " [ ] "])
def test_null_and_an_empty_list_are_no_triggers(text: str) -> None:
    assert parse_triggers(text) == ()


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "{not json", "{}", '"x"', "1", "[] []", "[1]", "[[]]", '["a"]', "[NaN]"],
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(InvalidInput, match="json"):
        parse_triggers(text)


@pytest.mark.parametrize("paused", ["true", "false", 1, 0, [], {}])
def test_paused_must_be_a_boolean(paused: object) -> None:
    with pytest.raises(InvalidInput, match=r"json: cannot unmarshal \w+ into Go struct field"):
        parse_triggers(annotation(paused=paused))


def test_paused_null_means_false() -> None:
    assert parse_triggers(annotation(paused=None))[0].paused is False


def test_unknown_keys_are_ignored() -> None:
    (trigger,) = parse_triggers(annotation(pause="false", lastTriggeredImage="x"))
    assert trigger == Trigger("ImageStreamTag", "", "", "app:1", PATH)


def test_keys_match_in_any_case_and_the_last_double_wins() -> None:
    text = '[{"FROM":{"KIND":"a","kind":"b","apiversion":"v"},"fieldpath":"x","FieldPath":"y"}]'
    assert parse_triggers(text) == (Trigger("b", "v", "", "", "y"),)


def test_null_leaves_what_was_there() -> None:
    text = '[{"from":{"name":"a:1"},"from":{"name":null,"kind":"K"},"fieldPath":"y"},null]'
    assert parse_triggers(text) == (Trigger("K", "", "", "a:1", "y"), Trigger())


def test_the_same_path_twice_is_refused() -> None:
    entry = json.loads(annotation())[0]
    with pytest.raises(InvalidInput, match=r"^duplicate triggers are not allowed$"):
        parse_triggers(json.dumps([entry, entry]))


def test_characters_no_name_can_have_are_replaced() -> None:
    (trigger,) = parse_triggers('[{"from":{"name":"a\\u0000\\ud800:1"},"fieldPath":"p"}]')
    assert trigger.from_name == "a��:1"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" + "9" * 10_000 + "]", "[" + " " * 300_000 + "]"]
)
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_triggers(text)


@given(st.text(alphabet='[]{}",:nulltruefalse0 \\u\x00', max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        parse_triggers(text)
    except InvalidInput:
        return
