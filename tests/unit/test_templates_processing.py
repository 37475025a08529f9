"""Templates as they are processed: generators, placeholders, labels, namespaces, errors."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from tagstream.api.templates.generator import GeneratorError, generate_value, parse_class
from tagstream.api.templates.kinds import build_draw, describe_parameters
from tagstream.api.templates.processing import process_template
from tagstream.api.templates.substitution import Substitution, TooLarge
from tagstream.store.sealing import AesGcmSealer


def counting() -> Any:
    numbers = itertools.count()
    return lambda below: next(numbers) % below


def process(*objects: Any, parameters: Any = (), **fields: Any) -> dict[str, Any]:
    template = {"objects": list(objects), "parameters": list(parameters), **fields}
    processed, errors = process_template(template, counting())
    assert errors == []
    return processed


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        ("[a-zA-Z0-9]{8}", "[a-yA-Y0-8]{8}"),
        ("user[A-Z0-9]{3}", "user[A-Y0-8]{3}"),
        (r"[\w]{50}", r"[a-zA-Z0-9_]{50}"),
        (r"[\d]{4}-[\a]{2}", "[0-9]{4}-[a-zA-Z0-9]{2}"),
        ("[a-z0-9]{127}", "[a-y0-8]{127}"),
        ("[0-1]{8}", "0{8}"),
        ("plain [a-z] text", re.escape("plain [a-z] text")),
        ("", ""),
    ],
)
def test_values_are_generated_from_the_expression(expression: str, pattern: str) -> None:
    assert re.fullmatch(pattern, generate_value(expression, counting()))


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("[abc]{3}", "malformed expresion syntax: [abc]"),
        ("[a-z]{256}", "range must be within [1-255] characters (256)"),
        ("[a-z]{0}", "range must be within [1-255] characters (0)"),
        ("[Z-A]{2}", "invalid range specified: Z-A"),
        ("[a-a]{2}", "invalid range specified: a-a"),
    ],
)
def test_wrong_expressions_are_refused_in_the_known_words(expression: str, error: str) -> None:
    with pytest.raises(GeneratorError, match=re.escape(error)):
        generate_value(expression, counting())


def test_a_number_of_thousands_of_digits_is_refused_at_once() -> None:
    with pytest.raises(GeneratorError, match="range must be within"):
        generate_value("[a-z]{" + "9" * 5000 + "}", counting())


def test_a_template_cannot_ask_for_endless_randomness() -> None:
    with pytest.raises(GeneratorError, match="generates more than"):
        generate_value("[a-z]{255}" * 1000, counting())


def test_every_character_of_a_class_counts_once() -> None:
    assert parse_class(r"a-c\da-d") == "ab0123456789c"


def test_the_same_request_draws_the_same_and_another_does_not() -> None:
    sealer, other = AesGcmSealer([b"k" * 32]), AesGcmSealer([b"o" * 32])

    def value(key: AesGcmSealer, request: str) -> str:
        return generate_value("[a-zA-Z0-9]{16}", build_draw(key, request))

    assert value(sealer, "r1") == value(sealer, "r1")
    assert len({value(sealer, "r1"), value(sealer, "r2"), value(other, "r1")}) == 3


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${N}", "3"),
        ("${{N}}", 3),
        ("a${{N}}", "a${{N}}"),
        ("a-${N}-${N}", "a-3-3"),
        ("$${N}", "$3"),
        ("${UNKNOWN}", "${UNKNOWN}"),
        ("${{UNKNOWN}}", "${{UNKNOWN}}"),
        ("${{WORD}}", "shop"),
        ("${{TRUE}}", True),
        ("${{LIST}}", [1, {"a": None}]),
        ("${SELF}", "${N}"),
    ],
)
def test_placeholders_are_replaced_as_specified(text: str, result: Any) -> None:
    values = {"N": "3", "WORD": "shop", "TRUE": "true", "LIST": '[1,{"a":null}]', "SELF": "${N}"}
    assert Substitution(values).put_into(text) == result


def test_keys_are_substituted_too() -> None:
    made = process(secret(data={"${A}-cfg": 1}), parameters=[{"name": "A", "value": "x"}])
    assert made["objects"][0]["data"] == {"x-cfg": 1}


def test_values_cannot_make_a_small_template_huge() -> None:
    with pytest.raises(TooLarge):
        Substitution({"A": "x" * 1_000_000}).put_into(["${A}"] * 100)
    big = {"name": "A", "value": "x" * 1_000_000}
    _, errors = process_template(
        {"objects": [secret(l=["${A}"] * 100)], "parameters": [big]}, counting()
    )
    assert "more than" in str(errors[0])


def test_labels_reach_every_object_and_win() -> None:
    own = secret(metadata={"name": "s", "labels": {"app": "own", "kept": "1"}})
    made = process(own, secret(), parameters=[{"name": "A", "value": "x"}], labels={"app": "${A}"})
    assert made["objects"][0]["metadata"]["labels"] == {"app": "x", "kept": "1"}
    assert made["objects"][1]["metadata"]["labels"] == {"app": "x"}


@pytest.mark.parametrize(
    ("namespace", "left"), [("prod", None), ("${A}", "x"), ("${{A}}", None), ("a-${A}", "a-x")]
)
def test_a_literal_namespace_is_dropped(namespace: str, left: str | None) -> None:
    body = secret(metadata={"name": "s", "namespace": namespace})
    made = process(body, parameters=[{"name": "A", "value": "x"}])
    assert made["objects"][0]["metadata"].get("namespace") == left


def test_kinds_from_before_there_were_groups_get_theirs() -> None:
    made = process({"apiVersion": "v1", "kind": "DeploymentConfig"}, secret())
    versions = [one["apiVersion"] for one in made["objects"]]
    assert versions == ["apps.openshift.io/v1", "v1"]


def test_all_problems_of_parameters_are_told() -> None:
    parameters = [
        {"name": "DB", "required": True},
        {"name": "P", "generate": "magic", "from": "x"},
        {"name": "E", "generate": "expression", "from": "[abc]{3}"},
    ]
    _, errors = process_template({"parameters": parameters}, counting())
    assert [(error.path, error.detail) for error in errors] == [
        ("template.parameters[0]", "parameter DB is required and must be specified"),
        ("template.parameters[1]", "Unknown generator name 'magic' for parameter P"),
        ("template.parameters[2]", "malformed expresion syntax: [abc]"),
    ]


def test_a_given_value_cancels_the_generator() -> None:
    given = {"name": "A", "value": "mine", "generate": "expression", "from": "[a-z]{8}"}
    made = process(secret(), parameters=[given], message="it is ${A}")
    assert made["parameters"][0]["value"] == "mine"
    assert made["message"] == "it is mine"


def test_the_other_objects_are_still_looked_at_when_one_is_wrong() -> None:
    _, errors = process_template({"objects": [3, secret(), {"metadata": {}}]}, counting())
    assert [error.path for error in errors] == ["template.objects[0]", "template.objects[2]"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([], "0 (all set)"),
        ([{"value": "x"}], "1 (all set)"),
        ([{"value": "x"}, {"generate": "expression"}], "2 (1 generated)"),
        ([{}, {"generate": "expression"}], "2 (1 blank)"),
    ],
)
def test_parameters_are_summed_up(parameters: list[dict[str, Any]], words: str) -> None:
    assert describe_parameters(parameters) == words
