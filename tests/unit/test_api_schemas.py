"""What the api service knows about the fields of kinds, and what it says about wrong ones."""

from __future__ import annotations

import copy
import importlib
import pkgutil
import timeit
from typing import Any

import pytest

import tagstream.api.kinds
from tagstream.api.engine.kinds import Kind
from tagstream.api.kinds.declared import GenericKind
from tagstream.api.schemas.definitions import SCALARS, go_type, load_definitions, strip_containers
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.wire.merge_keys import get_merge_schema

IMAGE = "image.openshift.io"
STREAM = Kind(IMAGE, "v1", "imagestreams", "ImageStream", "imagestream", True)
IMPORT = Kind(IMAGE, "v1", "imagestreamimports", "ImageStreamImport", "imagestreamimport", True)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", "deployment", True)
SECRET = Kind("", "v1", "secrets", "Secret", "secret", True)
UNKNOWN = Kind("example.com", "v1", "things", "Thing", "thing", True)


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas()


def stream(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": "ruby", "creationTimestamp": None, "labels": {"a": "b"}},
        "spec": spec,
    }


def deployment() -> dict[str, Any]:
    container = {
        "name": "web",
        "image": "quay.io/acme/web:1",
        "env": [{"name": f"K{at}", "value": "v"} for at in range(10)],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {str(at): "x" * 50 for at in range(5)}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "containers": [container, copy.deepcopy(container)],
                    "volumes": [{"name": "d", "emptyDir": {"sizeLimit": "1Gi"}}],
                    "securityContext": {"runAsUser": 1 << 40},
                },
            },
        },
        "status": {"conditions": [{"type": "A", "lastUpdateTime": "2026-11-23T04:02:47Z"}]},
    }


def test_every_type_that_a_definition_names_exists() -> None:
    definitions = load_definitions()
    missing = [
        (name, field, described.type)
        for name, definition in definitions.items()
        for field, described in definition.fields.items()
        if strip_containers(described.type) not in SCALARS | definitions.keys()
    ]
    assert missing == []


def test_every_declared_kind_has_a_definition(schemas: Schemas) -> None:
    declared: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(tagstream.api.kinds.__path__):
        found = vars(importlib.import_module(f"tagstream.api.kinds.{module.name}")).values()
        rows = [item for value in found for item in (value if _is_row(value) else [value])]
        declared |= {row.kind.schema: row.kind for row in rows if isinstance(row, GenericKind)}
    assert {kind.kind for kind in declared.values()} >= {"Deployment", "Role", "TriggerPause"}
    for name, kind in declared.items():
        definition = schemas.definitions.get(name)
        assert definition is not None, name
        assert definition.kind == (kind.group, kind.version, kind.kind)


def _is_row(value: object) -> bool:
    return isinstance(value, (tuple, list))


def test_lists_that_patches_merge_carry_the_same_keys_here_and_in_the_patches(
    schemas: Schemas,
) -> None:
    for group, version, kind in ((IMAGE, "v1", "ImageStream"), ("apps", "v1", "Deployment")):
        definition = schemas.find(group, version, kind)
        assert definition is not None
        todo = [(definition, get_merge_schema(group, kind))]
        while todo:
            found, rules = todo.pop()
            for field, rule in rules.items():
                described = found.fields[field]
                assert (described.merge_key is not None) == rule.merge, (found.name, field)
                assert (described.merge_key or "") == rule.key
                below = schemas.definitions.get(strip_containers(described.type))
                if below is not None:
                    todo.append((below, rule.below))


def test_valid_objects_have_no_findings_and_stay_as_they_are(schemas: Schemas) -> None:
    for kind, body in ((DEPLOYMENT, deployment()), (STREAM, stream(lookupPolicy={"local": True}))):
        before = copy.deepcopy(body)
        assert schemas.type_errors(kind, body) == []
        assert schemas.unknown_fields(kind, body) == []
        assert body == before


def test_unknown_fields_are_named_with_their_path_in_document_order_and_removed(
    schemas: Schemas,
) -> None:
    body = stream(tags=[{"name": "1"}, {"fromm": 1, "name": "2"}], tagz={}) | {"sepc": {"a": 1}}
    body["metadata"]["lables"] = {}
    assert schemas.unknown_fields(STREAM, body) == [
        'unknown field "metadata.lables"',
        'unknown field "spec.tags[1].fromm"',
        'unknown field "spec.tagz"',
        'unknown field "sepc"',
    ]
    assert body["spec"] == {"tags": [{"name": "1"}, {"name": "2"}]}
    assert "sepc" not in body
    assert "lables" not in body["metadata"]
    assert schemas.conforms(STREAM, body)


def test_free_form_fields_keep_whatever_is_in_them(schemas: Schemas) -> None:
    image: dict[str, Any] = {"dockerImageMetadata": {"Anything": [{"goes": {}}]}}
    kind = Kind(IMAGE, "v1", "images", "Image", "image", False)
    assert schemas.unknown_fields(kind, image) == []


@pytest.mark.parametrize(
    ("kind", "body", "complaint"),
    [
        (
            STREAM,
            {"spec": {"tags": "x"}},
            "json: cannot unmarshal string into Go struct field ImageStreamSpec.spec.tags of type "
            "[]v1.TagReference",
        ),
        (
            STREAM,
            {"spec": [1]},
            "json: cannot unmarshal array into Go struct field ImageStream.spec of type "
            "v1.ImageStreamSpec",
        ),
        (
            STREAM,
            {"spec": {"tags": [{"name": "1", "referencePolicy": {"type": 1}}]}},
            "json: cannot unmarshal number into Go struct field "
            "TagReferencePolicy.spec.tags.referencePolicy.type of type v1.TagReferencePolicyType",
        ),
        (
            STREAM,
            {"spec": {"tags": [{"annotations": {"a": True}}]}},
            "json: cannot unmarshal bool into Go struct field TagReference.spec.tags.annotations "
            "of type string",
        ),
        (
            IMPORT,
            {"spec": {"import": "true"}},
            "json: cannot unmarshal string into Go struct field ImageStreamImportSpec.spec.import "
            "of type bool",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": 1.5}},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas "
            "of type int32",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": 1 << 31}},
            "json: cannot unmarshal number 2147483648 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": True}},
            "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas "
            "of type int32",
        ),
        (
            DEPLOYMENT,
            {"spec": {"template": {"spec": {"containers": [{"resources": {"limits": []}}]}}}},
            "json: cannot unmarshal array into Go struct field "
            "ResourceRequirements.spec.template.spec.containers.resources.limits of type "
            "v1.ResourceList",
        ),
        (
            DEPLOYMENT,
            {"spec": {"template": {"spec": {"overhead": {"cpu": "much"}}}}},
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            DEPLOYMENT,
            {"metadata": {"creationTimestamp": "now"}},
            'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
        ),
        (SECRET, {"data": {"a": "YWJj!"}}, "illegal base64 data at input byte 4"),
        (SECRET, {"data": {"a": "abc"}}, "illegal base64 data at input byte 0"),
    ],
)
def test_wrong_types_are_refused_in_the_words_of_go(
    schemas: Schemas, kind: Kind, body: dict[str, Any], complaint: str
) -> None:
    assert schemas.type_errors(kind, body)[:1] == [complaint]


def test_null_is_accepted_everywhere(schemas: Schemas) -> None:
    body = {"metadata": None, "spec": {"tags": [None, {"from": None, "name": None}]}}
    assert schemas.type_errors(STREAM, body) == []
    assert schemas.unknown_fields(STREAM, body) == []


def test_a_kind_without_a_definition_accepts_everything(schemas: Schemas) -> None:
    assert schemas.type_errors(UNKNOWN, {"spec": 1}) == []
    assert schemas.unknown_fields(UNKNOWN, {"spec": 1}) == []


def test_hostile_depth_ends_at_the_definitions_and_not_at_the_stack(schemas: Schemas) -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"spec": deep}
    body = stream(x=deep) | {"spec": deep}
    assert schemas.type_errors(STREAM, body) == []
    assert schemas.unknown_fields(STREAM, body) == ['unknown field "spec.spec"']
    while deep:
        # Taken apart by hand: freeing it at once would recurse in the interpreter.
        deep = deep.pop("spec", None)


def test_go_types_are_named_as_go_prints_them() -> None:
    assert go_type("map[string][]string") == "map[string][]string"
    assert go_type("[]io.k8s.api.core.v1.Container") == "[]v1.Container"
    assert go_type("map[string]bytes") == "map[string][]uint8"


def test_checking_an_object_costs_microseconds(schemas: Schemas) -> None:
    small, large = stream(tags=[{"name": "1"}]), deployment()
    schemas.type_errors(STREAM, small)
    schemas.type_errors(DEPLOYMENT, large)
    small_s = min(timeit.repeat(lambda: schemas.type_errors(STREAM, small), number=100)) / 100
    large_s = min(timeit.repeat(lambda: schemas.type_errors(DEPLOYMENT, large), number=100)) / 100
    assert small_s < 50e-6
    assert large_s < 300e-6
