"""Quantities, and LimitRanges as Kubernetes validates them."""

from __future__ import annotations

import pytest

from tagstream.api.kinds.limit_ranges import LIMIT_RANGES
from tagstream.api.wire.json_types import JsonObject
from tagstream.errors import InvalidInput
from tagstream.pruning.size_limits import parse_size

RULES = LIMIT_RANGES.rules


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("100Mi", 100 * 1024**2),
        ("1.5G", 1_500_000_000),
        ("2e9", 2_000_000_000),
        ("1E", 10**18),
        ("1E3", 1000),
        (".5k", 500),
        ("1500m", 1),
        ("+3Ki", 3072),
        ("-0.5", -1),
        ("1e999999999", 2**63 - 1),
        ("-1e-999999999", -1),
    ],
)
def test_a_quantity_is_read_as_whole_bytes(text: str, size_bytes: int) -> None:
    assert parse_size("f", text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "Mi", "1.2.3", "1 Mi", "1ki", "1e", "1e5Mi", "1_0", "0x1", "\u0661", "1" * 201]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"f: .* is no quantity"):
        parse_size("f", text)


def complaints(*limits: JsonObject) -> list[str]:
    item: JsonObject = {"metadata": {"name": "x"}, "spec": {"limits": list(limits)}}
    RULES.default(item)
    return [str(error) for error in RULES.validate(item, None)]


@pytest.mark.parametrize(
    "limit",
    [
        {"type": "openshift.io/Image", "max": {"storage": "1Gi"}},
        {"type": "openshift.io/ImageStream", "max": {"openshift.io/image-tags": 20}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1"}, "max": {"storage": "1k"}},
        {"type": "Pod", "max": {"cpu": "2", "hugepages-2Mi": "4Mi"}, "min": None},
        {"type": "Container", "min": {"cpu": "100m"}, "maxLimitRequestRatio": {"cpu": "1.5"}},
    ],
)
def test_a_limit_that_kubernetes_takes_is_taken(limit: JsonObject) -> None:
    assert complaints(limit) == []


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({}, 'spec.limits[0].type: Invalid value: "": name part must be non-empty'),
        (
            {"type": "Image", "max": {"storage": "1"}},
            'spec.limits[0].type: Invalid value: "Image": must be a standard limit type or fully '
            "qualified",
        ),
        (
            {"type": "openshift.io/Image", "max": {"size": "1"}},
            "must be a standard resource type or fully qualified",
        ),
        (
            {"type": "openshift.io/Image", "max": {"storage": "1.2.3"}},
            "spec.limits[0].max[storage]: Invalid value: \"1.2.3\": '1.2.3' is no quantity",
        ),
        ({"type": "Container", "max": {"pods": "1"}}, "must be a standard resource for containers"),
        (
            {"type": "PersistentVolumeClaim"},
            "spec.limits[0].limits: Required value: either minimum or maximum storage value",
        ),
        (
            {"type": "Pod", "default": {"cpu": "1"}},
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        ),
        (
            {"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1500m"}},
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value '
            "1500m",
        ),
        (
            {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}},
            "default request value 2 is greater than default limit value 1",
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "0.5"}},
            "ratio 0.5 is less than 1",
        ),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limit: JsonObject, says: str) -> None:
    assert any(says in one for one in complaints(limit))


def test_a_type_has_one_limit() -> None:
    limit = {"type": "openshift.io/Image", "max": {"storage": "1"}}
    assert complaints(limit, dict(limit)) == [
        'spec.limits[1].type: Duplicate value: "openshift.io/Image"'
    ]


def test_a_containers_defaults_come_from_its_bounds() -> None:
    limit: JsonObject = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Gi"}}
    complaints(limit)
    assert limit["default"] == {"cpu": "2"}
    assert limit["defaultRequest"] == {"cpu": "2", "memory": "1Gi"}
