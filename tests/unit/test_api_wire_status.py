"""Error bodies against recorded ones: message, reason, details and code must be equal."""

from __future__ import annotations

from typing import Any

import pytest

from tagstream.api.wire import field_errors as fields
from tagstream.api.wire import status

IMAGE = "image.openshift.io"
BAD_FROM = (
    'imagestreams "k" is invalid: spec.tags[a].from.name: Invalid value: "x": must be of the '
    "form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"
)
BAD_NAME = 'must match "[a-z0-9]+(?:[._-][a-z0-9]+)*"'
DIGEST = "sha256:" + "0" * 64


def stream_error(name: str, *errors: fields.FieldError) -> status.ApiError:
    return status.invalid("ImageStream", IMAGE, name, errors)


def details(name: str, kind: str, group: str = IMAGE, **more: Any) -> dict[str, Any]:
    return {"name": name, "group": group, "kind": kind, **more}


def cause(reason: str, message: str, field: str) -> dict[str, str]:
    return {"reason": reason, "message": message, "field": field}


RECORDED = [
    (
        status.already_exists("imagestreams", IMAGE, "empty"),
        (409, "AlreadyExists", 'imagestreams.image.openshift.io "empty" already exists'),
        details("empty", "imagestreams"),
    ),
    (
        status.already_exists("imagestreamtag", IMAGE, "app:1"),
        (409, "AlreadyExists", 'imagestreamtag.image.openshift.io "app:1" already exists'),
        details("app:1", "imagestreamtag"),
    ),
    (
        stream_error("Bad_Name!", fields.invalid_value("metadata.name", "Bad_Name!", BAD_NAME)),
        (
            422,
            "Invalid",
            'ImageStream.image.openshift.io "Bad_Name!" is invalid: metadata.name: '
            f'Invalid value: "Bad_Name!": {BAD_NAME}',
        ),
        details(
            "Bad_Name!",
            "ImageStream",
            causes=[
                cause(
                    "FieldValueInvalid",
                    f'Invalid value: "Bad_Name!": {BAD_NAME}',
                    "metadata.name",
                )
            ],
        ),
    ),
    (
        stream_error("gen-xbhd6", fields.invalid_value("metadata.generateName", "gen-", BAD_NAME)),
        (
            422,
            "Invalid",
            'ImageStream.image.openshift.io "gen-xbhd6" is invalid: metadata.generateName: '
            f'Invalid value: "gen-": {BAD_NAME}',
        ),
        details(
            "gen-xbhd6",
            "ImageStream",
            causes=[
                cause(
                    "FieldValueInvalid",
                    f'Invalid value: "gen-": {BAD_NAME}',
                    "metadata.generateName",
                )
            ],
        ),
    ),
    (
        status.not_found("namespaces", "", "nowhere"),
        (404, "NotFound", 'namespaces "nowhere" not found'),
        {"name": "nowhere", "kind": "namespaces"},
    ),
    (
        status.not_found("serviceaccounts", "", "default"),
        (404, "NotFound", 'serviceaccounts "default" not found'),
        {"name": "default", "kind": "serviceaccounts"},
    ),
    (
        status.bad_request("ImageStreamTags must be retrieved with <name>:<tag>"),
        (400, "BadRequest", "ImageStreamTags must be retrieved with <name>:<tag>"),
        None,
    ),
    (
        stream_error(
            "k",
            fields.internal_error("[]", BAD_FROM),
            fields.required_value(
                "spec.tags[a].from.kind",
                "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'",
            ),
        ),
        (
            422,
            "Invalid",
            'ImageStream.image.openshift.io "k" is invalid: '
            f"[[]: Internal error: {BAD_FROM}, spec.tags[a].from.kind: Required value: "
            "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag']",
        ),
        details(
            "k",
            "ImageStream",
            causes=[
                cause("InternalError", f"Internal error: {BAD_FROM}", "[]"),
                cause(
                    "FieldValueRequired",
                    "Required value: valid values are 'DockerImage', 'ImageStreamImage', "
                    "'ImageStreamTag'",
                    "spec.tags[a].from.kind",
                ),
            ],
        ),
    ),
    (
        stream_error(
            "k",
            fields.invalid_value(
                "spec.tags[a].importPolicy.scheduled",
                True,
                "only tags pointing to Docker repositories may be scheduled for background import",
            ),
        ),
        (
            422,
            "Invalid",
            'ImageStream.image.openshift.io "k" is invalid: spec.tags[a].importPolicy.scheduled: '
            "Invalid value: true: only tags pointing to Docker repositories may be scheduled for "
            "background import",
        ),
        details(
            "k",
            "ImageStream",
            causes=[
                cause(
                    "FieldValueInvalid",
                    "Invalid value: true: only tags pointing to Docker repositories may be "
                    "scheduled for background import",
                    "spec.tags[a].importPolicy.scheduled",
                )
            ],
        ),
    ),
    (
        status.invalid(
            "ImageStreamImport",
            IMAGE,
            "nothing",
            [
                fields.invalid_value(
                    "spec.images",
                    None,
                    "you must specify at least one image or a repository import",
                )
            ],
        ),
        (
            422,
            "Invalid",
            'ImageStreamImport.image.openshift.io "nothing" is invalid: spec.images: '
            "Invalid value: null: you must specify at least one image or a repository import",
        ),
        details(
            "nothing",
            "ImageStreamImport",
            causes=[
                cause(
                    "FieldValueInvalid",
                    "Invalid value: null: you must specify at least one image or a repository "
                    "import",
                    "spec.images",
                )
            ],
        ),
    ),
    (
        status.invalid(
            "imagestreams",
            IMAGE,
            "app",
            [
                fields.invalid_value(
                    "metadata.resourceVersion", 0, "must be specified for an update"
                )
            ],
        ),
        (
            422,
            "Invalid",
            'imagestreams.image.openshift.io "app" is invalid: metadata.resourceVersion: '
            "Invalid value: 0: must be specified for an update",
        ),
        details(
            "app",
            "imagestreams",
            causes=[
                cause(
                    "FieldValueInvalid",
                    "Invalid value: 0: must be specified for an update",
                    "metadata.resourceVersion",
                )
            ],
        ),
    ),
    (
        status.not_found("imagestreamimage", IMAGE, f"app@{DIGEST}"),
        (404, "NotFound", f'imagestreamimage.image.openshift.io "app@{DIGEST}" not found'),
        details(f"app@{DIGEST}", "imagestreamimage"),
    ),
    (
        status.not_found("deployments", "apps", "web"),
        (404, "NotFound", 'deployments.apps "web" not found'),
        details("web", "deployments", "apps"),
    ),
    (
        status.conflict("imagestreams", IMAGE, "app"),
        (
            409,
            "Conflict",
            'Operation cannot be fulfilled on imagestreams.image.openshift.io "app": the object '
            "has been modified; please apply your changes to the latest version and try again",
        ),
        details("app", "imagestreams"),
    ),
    (
        status.unsupported_media_type(),
        (415, "UnsupportedMediaType", "415: Unsupported Media Type"),
        {},
    ),
    (
        status.generic_not_found(),
        (404, "NotFound", "the server could not find the requested resource"),
        {},
    ),
]


@pytest.mark.parametrize(("error", "said", "told"), RECORDED, ids=lambda value: str(value)[:40])
def test_a_recorded_refusal_is_rebuilt_exactly(
    error: status.ApiError, said: tuple[int, str, str], told: dict[str, Any] | None
) -> None:
    expected: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": said[2],
        "reason": said[1],
    }
    if told is not None:
        expected["details"] = told
    expected["code"] = said[0]
    assert error.status == expected
    assert list(error.status) == list(expected)


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        (
            "ImageStream",
            fields.required_value("spec.tags[a].from.name"),
            "spec.tags[a].from.name: Required value",
        ),
        (
            "ImageStream",
            fields.invalid_value(
                "spec.tags[a].importPolicy.importMode",
                "Nope",
                "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'",
            ),
            'spec.tags[a].importPolicy.importMode: Invalid value: "Nope": '
            "invalid import mode, valid modes are '', 'Legacy', 'PreserveOriginal'",
        ),
        (
            "ImageStream",
            fields.invalid_value(
                "spec.tags[a].referencePolicy.type", "Nope", 'valid values are "Source", "Local"'
            ),
            'spec.tags[a].referencePolicy.type: Invalid value: "Nope": '
            'valid values are "Source", "Local"',
        ),
        (
            "ImageStreamImport",
            fields.invalid_value(
                "spec.images[0].from.name", "UPPER/case:bad tag", "invalid reference format"
            ),
            'spec.images[0].from.name: Invalid value: "UPPER/case:bad tag": '
            "invalid reference format",
        ),
        (
            "ImageStreamImport",
            fields.invalid_value(
                "spec.images[0].from.kind", "ImageStreamTag", "only DockerImage is supported"
            ),
            'spec.images[0].from.kind: Invalid value: "ImageStreamTag": '
            "only DockerImage is supported",
        ),
    ],
)
def test_a_recorded_field_error_reads_the_same_in_message_and_cause(
    kind: str, error: fields.FieldError, text: str
) -> None:
    refused = status.invalid(kind, IMAGE, "k", [error])
    assert refused.message == f'{kind}.image.openshift.io "k" is invalid: {text}'
    assert refused.status["details"]["causes"][0]["message"] == text.partition(": ")[2]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            status.forbidden("pods", "", "x", "no"),
            'pods "x" is forbidden: no',
        ),
        (status.forbidden("images", IMAGE, "", "no"), "images.image.openshift.io is forbidden: no"),
        (status.forbidden("", "", "", "no"), "forbidden: no"),
        (status.internal("oops"), "Internal error occurred: oops"),
        (
            status.server_timeout("images", IMAGE, "create"),
            "The create operation against images.image.openshift.io could not be completed at "
            "this time, please try again.",
        ),
        (
            status.method_not_allowed("imagestreams", IMAGE, "watch"),
            'watch is not supported on resources of kind "imagestreams.image.openshift.io"',
        ),
        (
            status.timeout(),
            "Timeout: request did not complete within requested timeout - "
            "context deadline exceeded",
        ),
    ],
)
def test_other_refusals_use_the_words_of_kubernetes(error: status.ApiError, text: str) -> None:
    assert str(error) == text


def test_only_errors_worth_retrying_carry_a_delay() -> None:
    assert status.unavailable("the database is away", 3).retry_after_s == 3
    assert status.server_timeout("images", IMAGE, "get").retry_after_s == 2
    assert status.conflict("images", IMAGE, "x").retry_after_s is None


def test_a_success_names_what_was_deleted() -> None:
    body = status.build_success(resource="imagestreams", group=IMAGE, name="empty", uid="u-1")
    assert body["details"] == details("empty", "imagestreams", uid="u-1")
    assert status.build_success(code=201) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    }


def test_equal_errors_are_said_once_but_all_are_causes() -> None:
    twice = [fields.forbidden_value("spec", "no")] * 2
    error = status.invalid("Role", "", "r", twice)
    assert error.message == 'Role "r" is invalid: spec: Forbidden: no'
    assert len(error.status["details"]["causes"]) == 2
