"""Kubernetes protobuf: recorded bodies, every table, and hostile bytes."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.api.wire.decode import Expected, decode_body
from tagstream.api.wire.k8s_protobuf import (
    MAGIC,
    decode_protobuf,
    encode_protobuf,
    frame_watch_event,
    supports,
)
from tagstream.api.wire.status import ApiError

#: Bodies that oc sent and a server answered: namespace, secret, service account, role binding
#: list, cluster role, status, role binding, access review and self review.
RECORDED = [
    ("azhzAAoPCgJ2MRIJTmFtZXNwYWNlEh8KFwoHZ29sZGVuMxIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA=="),
    (
        "azhzAAoPCgJ2MRIJTmFtZXNwYWNlEosCCvABCgdnb2xkZW4zEgAaACIAKiQ2ZmY2MWEwZC04MzEzLTRjNGIt"
        "OGZhZC0xZDg1MDYxOWI4YjMyBTUxNDUxOABCCAi/gY/YBhAAWiYKG2t1YmVybmV0ZXMuaW8vbWV0YWRhdGEu"
        "bmFtZRIHZ29sZGVuM4oBfQoOa3ViZWN0bC1jcmVhdGUSBlVwZGF0ZRoCdjEiCAi/gY/YBhAAMghGaWVsZHNW"
        "MTpJCkd7ImY6bWV0YWRhdGEiOnsiZjpsYWJlbHMiOnsiLiI6e30sImY6a3ViZXJuZXRlcy5pby9tZXRhZGF0"
        "YS5uYW1lIjp7fX19fUIAEgwKCmt1YmVybmV0ZXMaCAoGQWN0aXZlGgAiAA=="
    ),
    (
        "azhzAAoMCgJ2MRIGU2VjcmV0EvkCCr8BCgZyZWdzZWMSABoHZ29sZGVuMyIAKiQyMGYzMTJhZS05ZDJlLTRm"
        "MDYtODdmZi0xY2ZiZDU5OTI0MGEyBTUxNTA0OABCCAjKgY/YBhAAigFuCg5rdWJlY3RsLWNyZWF0ZRIGVXBk"
        "YXRlGgJ2MSIICMqBj9gGEAAyCEZpZWxkc1YxOjoKOHsiZjpkYXRhIjp7Ii4iOnt9LCJmOi5kb2NrZXJjb25m"
        "aWdqc29uIjp7fX0sImY6dHlwZSI6e319QgASlAEKES5kb2NrZXJjb25maWdqc29uEn97ImF1dGhzIjp7InNz"
        "by5leGFtcGxlLmNvbSI6eyJ1c2VybmFtZSI6ImRldkBleGFtcGxlLmNvbSIsInBhc3N3b3JkIjoicHciLCJl"
        "bWFpbCI6InVudXNlZCIsImF1dGgiOiJaR1YyUUdWNFlXMXdiR1V1WTI5dE9uQjMifX19Gh5rdWJlcm5ldGVz"
        "LmlvL2RvY2tlcmNvbmZpZ2pzb24aACIA"
    ),
    (
        "azhzAAoUCgJ2MRIOU2VydmljZUFjY291bnQSWgpQCghidWlsZGVyMhIAGgdnb2xkZW4zIgAqJGNhMTIxYWJm"
        "LTk1YmYtNDJmNy04NzNlLTc4M2E2ZDhhM2IwYjIFNTE1MDc4AEIICMqBj9gGEAAaBgoEcHVsbBoAIgA="
    ),
    (
        "azhzAAovChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEg9Sb2xlQmluZGluZ0xpc3QSDQoLCgASBTUx"
        "NTA3GgAaACIA"
    ),
    (
        "azhzAAorChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgtDbHVzdGVyUm9sZRL0Awq/AwoTc3lzdGVt"
        "OmltYWdlLXB1bGxlchIAGgAiACokZGRmNTk4MGMtZDI5OS00M2UzLWJkNWMtYzU4YWNlN2RkNTNkMgMyMjc4"
        "AEIICPT+jtgGEABiUgoYb3BlbnNoaWZ0LmlvL2Rlc2NyaXB0aW9uEjZHcmFudHMgdGhlIHJpZ2h0IHRvIHB1"
        "bGwgaW1hZ2VzIGZyb20gd2l0aGluIGEgcHJvamVjdC5iMworcmJhYy5hdXRob3JpemF0aW9uLmt1YmVybmV0"
        "ZXMuaW8vYXV0b3VwZGF0ZRIEdHJ1ZYoB4AEKE29wZW5zaGlmdC1hcGlzZXJ2ZXISBlVwZGF0ZRoccmJhYy5h"
        "dXRob3JpemF0aW9uLms4cy5pby92MSIICPT+jtgGEAAyCEZpZWxkc1YxOowBCokBeyJmOm1ldGFkYXRhIjp7"
        "ImY6YW5ub3RhdGlvbnMiOnsiLiI6e30sImY6b3BlbnNoaWZ0LmlvL2Rlc2NyaXB0aW9uIjp7fSwiZjpyYmFj"
        "LmF1dGhvcml6YXRpb24ua3ViZXJuZXRlcy5pby9hdXRvdXBkYXRlIjp7fX19LCJmOnJ1bGVzIjp7fX1CABIw"
        "CgNnZXQSABISaW1hZ2Uub3BlbnNoaWZ0LmlvGhNpbWFnZXN0cmVhbXMvbGF5ZXJzGgAiAA=="
    ),
    (
        "azhzAAoMCgJ2MRIGU3RhdHVzEmUKBgoAEgAaABIHRmFpbHVyZRojc2VydmljZWFjY291bnRzICJkZWZhdWx0"
        "IiBub3QgZm91bmQiCE5vdEZvdW5kKiAKB2RlZmF1bHQSABoPc2VydmljZWFjY291bnRzKAAyADCUAxoAIgA="
    ),
    (
        "azhzAAorChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgtSb2xlQmluZGluZxKsAgrCAQoTc3lzdGVt"
        "OmltYWdlLXB1bGxlchIAGgdnb2xkZW4zIgAqJGY0ZTJmYzczLTc3MTItNDliYi04N2MzLTRmMTlmNTAxN2Fh"
        "ZTIFNTE1MDg4AEIICMqBj9gGEACKAWQKAm9jEgZVcGRhdGUaHHJiYWMuYXV0aG9yaXphdGlvbi5rOHMuaW8v"
        "djEiCAjKgY/YBhAAMghGaWVsZHNWMToiCiB7ImY6cm9sZVJlZiI6e30sImY6c3ViamVjdHMiOnt9fUIAEiYK"
        "DlNlcnZpY2VBY2NvdW50EgAaB2RlZmF1bHQiCXByb2plY3QtYRo9ChlyYmFjLmF1dGhvcml6YXRpb24uazhz"
        "LmlvEgtDbHVzdGVyUm9sZRoTc3lzdGVtOmltYWdlLXB1bGxlchoAIgA="
    ),
    (
        "azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSgwIKuQEK"
        "ABIAGgAiACoAMgA4AEIAigGlAQoCb2MSBlVwZGF0ZRoXYXV0aG9yaXphdGlvbi5rOHMuaW8vdjEiCAjMgY/Y"
        "BhAAMghGaWVsZHNWMTpoCmZ7ImY6c3BlYyI6eyJmOnJlc291cmNlQXR0cmlidXRlcyI6eyIuIjp7fSwiZjpn"
        "cm91cCI6e30sImY6bmFtZXNwYWNlIjp7fSwiZjpyZXNvdXJjZSI6e30sImY6dmVyYiI6e319fX1CABI7CjkK"
        "B2dvbGRlbjMSBmNyZWF0ZRoSaW1hZ2Uub3BlbnNoaWZ0LmlvIgAqDGltYWdlc3RyZWFtczIAOgAaCAgBEgAa"
        "ACAAGgAiAA=="
    ),
    (
        "azhzAAotChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESEVNlbGZTdWJqZWN0UmV2aWV3EswBChgKABIAGgAi"
        "ACoAMgA4AEIICMyBj9gGEAASrwEKrAEKBWFkbWluEgAaDnN5c3RlbTptYXN0ZXJzGhRzeXN0ZW06YXV0aGVu"
        "dGljYXRlZCJ7CiphdXRoZW50aWNhdGlvbi5rdWJlcm5ldGVzLmlvL2NyZWRlbnRpYWwtaWQSTQpLWDUwOVNI"
        "QTI1Nj1lYjI4M2NiNDJiMzFhNzNhMjZhZjJiMGY0NWE3OTExMGRiMzhiYzNjM2VjMTdmYzgyMWQ2ZTk3Y2Ux"
        "NjAzYmM2GgAiAA=="
    ),
]
META: dict[str, Any] = {
    "name": "x",
    "generateName": "x-",
    "namespace": "ns",
    "uid": "u",
    "resourceVersion": "300",
    "generation": 1 << 40,
    "creationTimestamp": "2026-11-23T04:02:47Z",
    "deletionTimestamp": "1969-12-31T23:59:59Z",
    "deletionGracePeriodSeconds": 0,
    "labels": {"b": "2", "a": ""},
    "annotations": {"ü": "☃"},
    "ownerReferences": [
        {"kind": "K", "name": "n", "uid": "u", "apiVersion": "v1", "controller": False}
    ],
    "finalizers": ["f", ""],
    "managedFields": [{"manager": "m", "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}}],
}
RBAC = "rbac.authorization.k8s.io/v1"
AUTHZ = "authorization.k8s.io/v1"
AUTHN = "authentication.k8s.io/v1"
RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["a"], "resourceNames": ["n"]}
SUBJECT = {"kind": "User", "apiGroup": "g", "name": "n"}
REF = {"apiGroup": "g", "kind": "Role", "name": "r"}
OBJECTS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "v1",
        "Namespace",
        {
            "spec": {"finalizers": ["kubernetes"]},
            "status": {
                "phase": "Active",
                "conditions": [
                    {
                        "type": "T",
                        "status": "True",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ],
            },
        },
    ),
    ("v1", "Secret", {"data": {"k": "AP8="}, "stringData": {"s": "t"}, "type": "Opaque"}),
    ("v1", "ConfigMap", {"data": {"k": "v"}, "binaryData": {"b": "AA=="}, "immutable": False}),
    (
        "v1",
        "LimitRange",
        {"spec": {"limits": [{"type": "openshift.io/Image", "max": {"storage": "1Gi"}}]}},
    ),
    (
        "v1",
        "ServiceAccount",
        {"secrets": [{"name": "s"}], "automountServiceAccountToken": True},
    ),
    (
        "v1",
        "Event",
        {
            "involvedObject": {"kind": "Pod"},
            "source": {"component": "c"},
            "count": -1,
            "eventTime": "2026-01-01T00:00:00.123456Z",
            "reportingComponent": "",
            "reportingInstance": "",
        },
    ),
    (RBAC, "Role", {"rules": [RULE]}),
    (RBAC, "RoleBinding", {"subjects": [SUBJECT], "roleRef": REF}),
    (RBAC, "ClusterRoleBinding", {"subjects": [SUBJECT], "roleRef": REF}),
    (
        RBAC,
        "ClusterRole",
        {
            "rules": [{"verbs": ["*"], "nonResourceURLs": ["/x"]}],
            "aggregationRule": {
                "clusterRoleSelectors": [
                    {
                        "matchLabels": {"a": "b"},
                        "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}],
                    }
                ]
            },
        },
    ),
    (
        AUTHZ,
        "SubjectAccessReview",
        {
            "spec": {
                "resourceAttributes": {"verb": "get", "labelSelector": {"rawSelector": "a"}},
                "user": "u",
                "groups": ["g"],
                "extra": {"e": ["1", "2"]},
                "uid": "i",
            },
            "status": {"allowed": False, "denied": True, "reason": "r"},
        },
    ),
    (
        AUTHZ,
        "SelfSubjectRulesReview",
        {
            "spec": {"namespace": "n"},
            "status": {"resourceRules": [RULE], "nonResourceRules": [], "incomplete": False},
        },
    ),
    (
        AUTHN,
        "TokenReview",
        {
            "spec": {"token": "t", "audiences": ["a"]},
            "status": {"authenticated": True, "user": {"username": "u", "extra": {"k": ["v"]}}},
        },
    ),
    (
        AUTHN,
        "TokenRequest",
        {
            "spec": {
                "audiences": ["a"],
                "expirationSeconds": 600,
                "boundObjectRef": {"kind": "Secret", "name": "s"},
            },
            "status": {"token": "t", "expirationTimestamp": "2026-01-01T00:00:00Z"},
        },
    ),
]


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_recorded_body_survives_decoding_and_encoding(recorded: str) -> None:
    data = base64.b64decode(recorded)
    assert encode_protobuf(decode_protobuf(data)) == data


def test_a_namespace_request_reads_as_json_would() -> None:
    assert decode_protobuf(base64.b64decode(RECORDED[0])) == {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": "golden3"},
        "spec": {},
        "status": {},
    }


@pytest.mark.parametrize(("version", "kind", "fields"), OBJECTS)
def test_every_kind_round_trips(version: str, kind: str, fields: dict[str, Any]) -> None:
    obj = {"apiVersion": version, "kind": kind, "metadata": META, **fields}
    assert decode_protobuf(encode_protobuf(obj)) == obj


def test_a_list_round_trips() -> None:
    items = [{"metadata": {"name": "a"}, "type": "Opaque"}, {"metadata": {"name": "b"}}]
    obj = {
        "apiVersion": "v1",
        "kind": "SecretList",
        "metadata": {"resourceVersion": "5", "continue": "c", "remainingItemCount": 0},
        "items": items,
    }
    assert decode_protobuf(encode_protobuf(obj)) == obj


def test_delete_options_belong_to_every_version() -> None:
    obj = {
        "kind": "DeleteOptions",
        "apiVersion": "image.openshift.io/v1",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u"},
        "orphanDependents": False,
        "propagationPolicy": "Foreground",
        "dryRun": ["All"],
    }
    assert decode_protobuf(encode_protobuf(obj)) == obj


def test_only_listed_kinds_are_supported() -> None:
    assert supports("v1", "Secret")
    assert not supports("image.openshift.io/v1", "ImageStream")
    assert not supports("v2", "Secret")


def test_a_body_is_decoded_through_its_content_type() -> None:
    decoded = decode_body(
        base64.b64decode(RECORDED[0]),
        "application/vnd.kubernetes.protobuf",
        Expected("v1", "Namespace"),
    )
    assert decoded.body["metadata"] == {"name": "golden3"}


def test_a_watch_frame_is_length_event_object() -> None:
    obj = encode_protobuf({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    frame = frame_watch_event("ADDED", obj)
    (length,) = struct.unpack(">I", frame[:4])
    assert length == len(frame) - 4
    assert frame[4:13] == b"\x0a\x05ADDED\x12" + bytes([len(obj) + 2])
    assert frame.endswith(obj)


def test_what_does_not_fit_its_table_is_our_error() -> None:
    for obj in (
        {"apiVersion": "v1", "kind": "Secret", "data": {"k": "not base64!"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": 5}},
        {"apiVersion": "v1", "kind": "Secret", "immutable": "yes"},
        {"apiVersion": "v1", "kind": "Nonsense"},
    ):
        with pytest.raises(ApiError) as caught:
            encode_protobuf(obj)
        assert caught.value.code == 500


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        MAGIC,
        MAGIC + b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        MAGIC + b"\x0a\x7f",
        MAGIC + b"\x0b",
        MAGIC + b"\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x02\x08\x01",
        MAGIC + b"\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x05\x0a\x03\x0a\x01\xff",
        MAGIC + b"\x0a\x0c\x0a\x02v1\x12\x06Secret\x1a\x04gzip",
    ],
)
def test_hostile_bytes_are_a_bad_request(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        decode_protobuf(data)
    assert caught.value.code == 400


@given(st.sampled_from(RECORDED), st.data())
def test_damaged_bodies_are_read_or_refused(recorded: str, data: st.DataObject) -> None:
    body = bytearray(base64.b64decode(recorded))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    try:
        decode_protobuf(bytes(body))
    except ApiError as error:
        assert error.code == 400  # noqa: PT017 (both ends are allowed)
