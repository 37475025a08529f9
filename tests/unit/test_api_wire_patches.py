"""JSON patch, merge patch and strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tagstream.api.wire.patches import (
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_merge_patch,
)
from tagstream.api.wire.status import ApiError

REJECTED = "the server rejected our request due to an error in our request"


def deployment(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def patched_containers(original: dict[str, Any], patch: dict[str, Any]) -> list[dict[str, Any]]:
    result = apply_strategic_merge_patch(original, patch, group="apps", kind="Deployment")
    containers: list[dict[str, Any]] = result["spec"]["template"]["spec"]["containers"]
    return containers


def pod(spec: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = apply_strategic_merge_patch({"spec": spec}, {"spec": patch}, group="", kind="Pod")
    patched: dict[str, Any] = result["spec"]
    return patched


def test_a_json_patch_is_applied_in_order() -> None:
    original = {"metadata": {"a/b": [1]}}
    patched = apply_json_patch(
        original,
        [
            {"op": "test", "path": "/metadata/a~1b/0", "value": 1},
            {"op": "add", "path": "/metadata/a~1b/-", "value": 2},
            {"op": "copy", "from": "/metadata/a~1b", "path": "/c"},
            {"op": "remove", "path": "/metadata"},
        ],
    )
    assert patched == {"c": [1, 2]}
    assert original == {"metadata": {"a/b": [1]}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/a/c", "value": 1},
        {"op": "replace", "path": "", "value": 1},
        {"op": "move", "path": "/x"},
        {"op": "copy", "path": "/x", "from": 5},
        {"op": "nonsense", "path": "/a"},
        {"path": "/a"},
        {"op": "add", "path": 5, "value": 1},
        5,
        None,
    ],
)
def test_an_operation_that_does_not_apply_is_unprocessable(operation: Any) -> None:
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": 1}, [operation])
    assert (caught.value.code, caught.value.message) == (422, REJECTED)


def test_a_json_patch_leaves_its_operations_alone() -> None:
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/a", "value": {}},
        {"op": "add", "path": "/a/b", "value": 1},
    ]
    assert apply_json_patch({}, operations) == {"a": {"b": 1}}
    assert operations[0]["value"] == {}


def test_json_patches_are_bounded() -> None:
    add = {"op": "add", "path": "/a", "value": 1}
    with pytest.raises(ApiError) as caught:
        apply_json_patch({}, [add] * 10_001)
    assert caught.value.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, "
        "got 10001"
    )
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 60
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": ["x" * 100]}, doubling)
    assert caught.value.code in (413, 422)
    nesting = [{"op": "copy", "from": "/a", "path": "/a/x"}] * 3000
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": {}}, nesting)
    assert caught.value.code == 422


def test_a_merge_patch_deletes_with_null_and_replaces_lists() -> None:
    original = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    before = copy.deepcopy(original)
    patch = {"a": {"b": None, "c": [3]}, "d": {"e": {"f": None, "g": 1}}}
    assert apply_merge_patch(original, patch) == {"a": {"c": [3]}, "d": {"e": {"g": 1}}}
    assert original == before


def test_containers_are_merged_by_name() -> None:
    original = deployment({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]})
    before = copy.deepcopy(original)
    patch = deployment({"name": "a", "image": "2", "env": [{"name": "Y"}]})
    assert patched_containers(original, patch) == [
        {"name": "a", "image": "2", "env": [{"name": "Y"}, {"name": "X", "value": "1"}]}
    ]
    assert original == before


def test_a_new_element_goes_first_without_an_order() -> None:
    original = deployment({"name": "a"}, {"name": "b"})
    names = [item["name"] for item in patched_containers(original, deployment({"name": "c"}))]
    assert names == ["c", "a", "b"]


def test_set_element_order_arranges_the_list() -> None:
    patched = pod(
        {"containers": [{"name": "a"}, {"name": "b"}, {"name": "x"}]},
        {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "i"}],
        },
    )
    assert [item["name"] for item in patched["containers"]] == ["b", "c", "a", "x"]


def test_elements_are_deleted_and_lists_replaced_by_directive() -> None:
    spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    gone = pod(spec, {"containers": [{"$patch": "delete", "name": "a"}]})
    assert gone["containers"] == [{"name": "b"}]
    whole = pod(spec, {"containers": [{"$patch": "replace"}, {"name": "z"}]})
    assert whole["containers"] == [{"name": "z"}]


def test_maps_are_replaced_or_emptied_by_directive() -> None:
    spec = {"securityContext": {"a": 1, "b": 2}}
    assert pod(spec, {"securityContext": {"$patch": "replace", "c": 3}}) == {
        "securityContext": {"c": 3}
    }
    assert pod(spec, {"securityContext": {"$patch": "delete"}}) == {"securityContext": {}}


def test_retain_keys_drops_the_rest() -> None:
    spec = {"volumes": [{"name": "v", "emptyDir": {}}]}
    patch = {"volumes": [{"$retainKeys": ["name", "secret"], "name": "v", "secret": {"x": 1}}]}
    assert pod(spec, patch)["volumes"] == [{"name": "v", "secret": {"x": 1}}]


def test_finalizers_are_a_set() -> None:
    original = {"metadata": {"finalizers": ["a", "b"]}}
    merged = apply_strategic_merge_patch(
        original, {"metadata": {"finalizers": ["b", "c"]}}, group="x", kind="Y"
    )
    assert sorted(merged["metadata"]["finalizers"]) == ["a", "b", "c"]
    less = apply_strategic_merge_patch(
        original, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, group="", kind="Z"
    )
    assert less["metadata"]["finalizers"] == ["b"]


def test_lists_without_a_key_are_replaced() -> None:
    assert pod({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}) == {
        "tolerations": [{"key": "b"}]
    }


def test_stream_tags_are_merged_by_name() -> None:
    original = {"spec": {"tags": [{"name": "1", "from": {}}, {"name": "2"}]}}
    patch = {"spec": {"tags": [{"name": "2", "annotations": {"k": "v"}}]}}
    result = apply_strategic_merge_patch(
        original, patch, group="image.openshift.io", kind="ImageStream"
    )
    assert result["spec"]["tags"] == [
        {"name": "1", "from": {}},
        {"name": "2", "annotations": {"k": "v"}},
    ]


def test_docker_metadata_is_replaced_whole() -> None:
    result = apply_strategic_merge_patch(
        {"dockerImageMetadata": {"a": 1, "b": 2}},
        {"dockerImageMetadata": {"a": 3}},
        group="image.openshift.io",
        kind="Image",
    )
    assert result == {"dockerImageMetadata": {"a": 3}}


def test_new_values_lose_their_directives_and_nulls() -> None:
    patch = {"a": {"b": None, "$retainKeys": ["c"], "c": [{"$patch": "delete"}, {"d": 1}]}}
    assert apply_strategic_merge_patch({}, patch, group="", kind="X") == {"a": {"c": [{"d": 1}]}}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"containers": [{"image": "x"}]}, 422),
        ({"containers": ["x"]}, 400),
        ({"$patch": "nonsense"}, 400),
        ({"$retainKeys": "x"}, 400),
        ({"$retainKeys": ["a"], "b": 1}, 400),
        ({"$setElementOrder/containers": "x"}, 400),
        ({"$setElementOrder/containers": ["x"]}, 400),
        ({"$setElementOrder/securityContext": []}, 400),
        ({"$deleteFromPrimitiveList/containers": [{}]}, 400),
        ({"containers": [{"$patch": "nonsense", "name": "a"}]}, 400),
        ({"containers": [{"$patch": "delete"}]}, 422),
    ],
)
def test_a_malformed_strategic_patch_is_refused(patch: dict[str, Any], code: int) -> None:
    with pytest.raises(ApiError) as caught:
        pod({"containers": [{"name": "a"}], "securityContext": {}}, patch)
    assert caught.value.code == code
