"""Accept and Content-Type headers as oc and kubectl send them."""

from __future__ import annotations

import pytest

from tagstream.api.wire.negotiation import (
    DISCOVERY_SHAPES,
    PLAIN_SHAPES,
    Encoding,
    PatchType,
    Representation,
    Shape,
    negotiate,
    parse_body_type,
    parse_patch_type,
)
from tagstream.api.wire.status import ApiError

TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
PROTOBUF = "application/vnd.kubernetes.protobuf,application/json"


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/json, */*", "application/*"])
def test_json_is_the_default(accept: str | None) -> None:
    assert negotiate(accept) == Representation()


def test_a_table_is_given_where_there_is_one() -> None:
    assert negotiate(TABLE) == Representation(Encoding.JSON, Shape.TABLE, "v1")
    assert negotiate(TABLE, shapes=PLAIN_SHAPES) == Representation()
    assert negotiate(TABLE).content_type == "application/json"


def test_discovery_names_its_shape_in_the_content_type() -> None:
    chosen = negotiate(DISCOVERY, shapes=DISCOVERY_SHAPES)
    assert chosen.content_type == (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )
    assert negotiate(DISCOVERY) == Representation()


def test_protobuf_is_skipped_for_kinds_without_it() -> None:
    assert negotiate(PROTOBUF, protobuf=True).encoding is Encoding.PROTOBUF
    assert negotiate(PROTOBUF).encoding is Encoding.JSON


def test_a_protobuf_watch_says_that_it_streams() -> None:
    chosen = negotiate("application/vnd.kubernetes.protobuf;stream=watch", protobuf=True)
    assert chosen.watch_content_type == "application/vnd.kubernetes.protobuf;stream=watch"


def test_quality_decides_before_order() -> None:
    assert negotiate("application/json;q=0.4, application/yaml;q=0.9").encoding is Encoding.YAML
    assert negotiate("*/*, application/yaml").encoding is Encoding.YAML
    assert negotiate("application/yaml;q=0, application/json").encoding is Encoding.JSON


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/json;as=Table;v=v9;g=meta.k8s.io", "application/json;x=y", ";;,=,"],
)
def test_what_cannot_be_given_is_not_acceptable(accept: str) -> None:
    with pytest.raises(ApiError) as caught:
        negotiate(accept)
    assert caught.value.status["code"] == 406
    assert caught.value.message == (
        "only the following media types are accepted: application/json, application/yaml"
    )


def test_body_and_patch_types_ignore_parameters() -> None:
    assert parse_body_type("application/json; charset=utf-8") is Encoding.JSON
    assert parse_body_type(None) is Encoding.JSON
    assert parse_patch_type("application/merge-patch+json;q=1") is PatchType.MERGE


def test_unknown_types_are_unsupported() -> None:
    with pytest.raises(ApiError, match="415: Unsupported Media Type"):
        parse_patch_type("text/plain")
    with pytest.raises(ApiError, match="unknown format - accepted media types include: "):
        parse_body_type("application/vnd.kubernetes.protobuf")
