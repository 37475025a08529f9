"""Which streams may be stored: the field rules of spec/image-api-and-import.md §1.4.

Rules about sources (does the named tag exist?) belong to spec_write.py; who may write to
service's authorization.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tagstream.images.reference import InvalidReference, parse_image_reference
from tagstream.streams.image_stream import (
    STREAM_KINDS,
    ImageStream,
    ImportMode,
    ReferencePolicy,
    SourceKind,
    TagReference,
)
from tagstream.streams.problems import Problem, invalid, required

STREAM_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*\Z")
_NAME_RULE = 'must match "[a-z0-9]+(?:[._-][a-z0-9]+)*"'
_LONGEST_NAME = 255


def validate_stream(before: ImageStream | None, stream: ImageStream) -> list[Problem]:
    """Every problem of the spec. A tag that `before` already held in the same form is not judged
    again, so that an old stream stays writable when a rule is added."""
    problems = [] if before is not None else validate_name(stream.namespace, stream.name)
    if before is None or before.docker_image_repository != stream.docker_image_repository:
        problems += _repository_problems(stream.docker_image_repository)
    for tag in sorted(stream.spec_tags):
        ref = stream.spec_tags[tag]
        if before is None or before.spec_tags.get(tag) != ref:
            problems += validate_tag(ref, f"spec.tags[{tag}]")
    return problems


def validate_name(namespace: str, name: str, field: str = "metadata.name") -> list[Problem]:
    """The rules of a stream's name, for a new stream."""
    if not STREAM_NAME.match(name):
        return [invalid(field, name, _path_segment_rule(name) or _NAME_RULE)]
    if len(f"{namespace}/{name}") > _LONGEST_NAME:
        return [
            invalid(
                field, name, f"'namespace/name' cannot be longer than {_LONGEST_NAME} characters"
            )
        ]
    return []


def _path_segment_rule(name: str) -> str:
    if name in (".", ".."):
        return f"may not be '{name}'"
    return next((f"may not contain '{sign}'" for sign in "/%" if sign in name), "")


def _repository_problems(repository: str) -> list[Problem]:
    if not repository:
        return []
    field = "spec.dockerImageRepository"
    try:
        parsed = parse_image_reference(repository)
    except InvalidReference as error:
        return [invalid(field, repository, str(error))]
    if parsed.tag:
        return [invalid(field, repository, "the repository name may not contain a tag")]
    if parsed.digest:
        return [invalid(field, repository, "the repository name may not contain an ID")]
    return []


def validate_tag(ref: TagReference, field: str) -> list[Problem]:
    """The problems of one tag reference; `field` is its path."""
    return [*_source_problems(ref, field), *_policy_problems(ref, field)]


def _source_problems(ref: TagReference, field: str) -> Iterator[Problem]:
    source = ref.source
    if source is None:
        return
    if not source.name:
        yield required(f"{field}.from.name")
    if source.kind == SourceKind.DOCKER_IMAGE:
        if source.name:
            try:
                parse_image_reference(source.name)
            except InvalidReference as error:
                yield invalid(f"{field}.from.name", source.name, str(error))
    elif source.kind in STREAM_KINDS:
        if ref.import_policy.scheduled:
            yield invalid(
                f"{field}.importPolicy.scheduled",
                True,
                "only tags pointing to Docker repositories may be scheduled for background import",
            )
    else:
        yield required(
            f"{field}.from.kind",
            "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'",
        )


def _policy_problems(ref: TagReference, field: str) -> Iterator[Problem]:
    if ref.import_policy.import_mode not in list(ImportMode):
        yield invalid(
            f"{field}.importPolicy.importMode",
            ref.import_policy.import_mode,
            "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'",
        )
    if ref.reference_policy not in list(ReferencePolicy):
        yield invalid(
            f"{field}.referencePolicy.type",
            ref.reference_policy,
            'valid values are "Source", "Local"',
        )
