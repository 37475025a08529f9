"""What a sample of a library must be like: every problem, in words that name the fix. Pure.

Owns the rules of image streams and templates in a library. Reading files is `library.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.samples_manager.objects import (
    JsonObject,
    mapping,
    mappings,
    metadata_of,
    name_of,
    text,
)

STREAM, TEMPLATE = "ImageStream", "Template"
API_VERSIONS = {STREAM: "image.openshift.io/v1", TEMPLATE: "template.openshift.io/v1"}

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_PARAMETER = re.compile(r"[a-zA-Z0-9_]+")
_PLACEHOLDER = re.compile(r"\$\{\{?([a-zA-Z0-9_]+)\}")
_MOST_NAME_CHARS = 63
_SOURCES = ("DockerImage", "ImageStreamTag", "ImageStreamImage")


def check_sample(sample: JsonObject, kind: str) -> list[str]:
    """All problems of an object that the manifest lists as being of this kind."""
    wanted = API_VERSIONS[kind]
    found = (sample.get("apiVersion"), sample.get("kind"))
    if found != (wanted, kind):
        return [f"is a {found[1]} of {found[0]}; the manifest says {kind} ({wanted})"]
    problems = [*_check_json(sample, ""), *_check_metadata(sample)]
    return problems or [*(_check_stream(sample) if kind == STREAM else _check_template(sample))]


def _check_json(value: object, path: str) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                at = f"{path}.{key}".lstrip(".")
                if not isinstance(key, str):
                    yield f"{at}: a key must be a string; put it in quotes"
                yield from _check_json(item, at)
        case list():
            for index, item in enumerate(value):
                yield from _check_json(item, f"{path}[{index}]")
        case float() if value != value or value in (float("inf"), float("-inf")):
            yield f"{path}: not a number that JSON has"
        case None | str() | int() | float():
            return
        case _:
            yield f"{path}: a {type(value).__name__} is nothing that JSON has; put it in quotes"


def _check_metadata(sample: JsonObject) -> Iterator[str]:
    name = metadata_of(sample).get("name")
    if not isinstance(name, str) or len(name) > _MOST_NAME_CHARS or not _NAME.fullmatch(name):
        yield (
            f"metadata.name {name!r} must be lower case letters, digits, '-' and '.', "
            f"at most {_MOST_NAME_CHARS} of them"
        )
    for part in ("labels", "annotations"):
        yield from _check_strings(metadata_of(sample).get(part), f"metadata.{part}")


def _check_strings(values: object, path: str) -> Iterator[str]:
    if values is None:
        return
    if not isinstance(values, dict):
        yield f"{path} must be a mapping"
        return
    for key, value in values.items():
        if not isinstance(value, str):
            yield f"{path}[{key}] must be a string; put {value} in quotes"


def _check_stream(stream: JsonObject) -> Iterator[str]:
    spec = mapping(stream.get("spec"))
    tags = mappings(spec.get("tags"))
    if not tags and not spec.get("dockerImageRepository"):
        yield "spec.tags must not be empty"
    names = [tag.get("name") for tag in tags]
    for index, tag in enumerate(tags):
        path, name = f"spec.tags[{index}]", tag.get("name")
        if not isinstance(name, str) or not _TAG.fullmatch(name):
            yield f"{path}.name {name!r} is no tag; put a number such as 3.10 in quotes"
        elif name in names[:index]:
            yield f"{path}.name {name!r} is there twice"
        yield from _check_strings(tag.get("annotations"), f"{path}.annotations")
        yield from _check_source(tag, path, name_of(stream), names)


def _check_source(tag: JsonObject, path: str, stream: str, names: list[object]) -> Iterator[str]:
    source = mapping(tag.get("from"))
    kind, name = source.get("kind"), text(source.get("name"))
    if kind not in _SOURCES:
        yield f"{path}.from.kind {kind!r} must be one of {', '.join(_SOURCES)}"
    elif kind == "DockerImage":
        try:
            parse_image_reference(name)
        except InvalidReference as error:
            yield f"{path}.from.name {name!r}: {error}"
    elif kind == "ImageStreamTag" and not source.get("namespace"):
        followed = name.removeprefix(f"{stream}:")
        if ":" not in followed and followed not in names:
            yield f"{path}.from.name {name!r} names no tag of this stream"


def _check_template(template: JsonObject) -> Iterator[str]:
    parameters = mappings(template.get("parameters"))
    names = [parameter.get("name") for parameter in parameters]
    for index, parameter in enumerate(parameters):
        path, name = f"parameters[{index}]", parameter.get("name")
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
            yield f"{path}.name {name!r} must be letters, digits and '_'"
        elif name in names[:index]:
            yield f"{path}.name {name!r} is there twice"
        for field in ("value", "from", "description", "displayName", "generate"):
            if field in parameter and not isinstance(parameter[field], str):
                yield f"{path}.{field} must be a string; put {parameter[field]} in quotes"
    yield from _check_strings(template.get("labels"), "labels")
    yield from _check_objects(template, set(map(str, names)))


def _check_objects(template: JsonObject, names: set[str]) -> Iterator[str]:
    objects = template.get("objects")
    if not isinstance(objects, list) or not objects:
        yield "objects must be a list that is not empty"
        return
    for index, one in enumerate(objects):
        if not isinstance(one, dict) or not one.get("kind") or not one.get("apiVersion"):
            yield f"objects[{index}] must have apiVersion and kind"
    shown = [template.get(part) for part in ("objects", "message", "labels")]
    for unknown in sorted(set(_placeholders(shown)) - names):
        yield f"${{{unknown}}} is used, but there is no parameter of that name"


def _placeholders(value: object) -> Iterator[str]:
    match value:
        case str():
            yield from _PLACEHOLDER.findall(value)
        case dict():
            for key, item in value.items():
                yield from _placeholders(key)
                yield from _placeholders(item)
        case list():
            for item in value:
                yield from _placeholders(item)
