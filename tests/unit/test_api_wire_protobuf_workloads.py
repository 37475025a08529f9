"""Protobuf of pods and workloads: bodies of a real kubectl, every table, and hostile bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.protobuf_objects import canonical, fill, objects
from tagstream.api.schemas.definitions import Definition, load_definitions, strip_containers
from tagstream.api.wire.decode import Expected, decode_body
from tagstream.api.wire.k8s_protobuf import decode_protobuf, encode_protobuf, supports
from tagstream.api.wire.protobuf_messages import compile_message
from tagstream.api.wire.protobuf_schemas.core_v1_containers import CONTAINER
from tagstream.api.wire.protobuf_schemas.core_v1_pods import POD_SPEC
from tagstream.api.wire.protobuf_schemas.core_v1_probes import HTTP_GET_ACTION, PROBE
from tagstream.api.wire.protobuf_schemas.core_v1_projections import RESOURCE_FIELD_SELECTOR
from tagstream.api.wire.protobuf_schemas.core_v1_security import POD_SECURITY_CONTEXT
from tagstream.api.wire.protobuf_schemas.core_v1_volumes import VOLUME
from tagstream.api.wire.protobuf_schemas.model import FieldType, MessageSpec
from tagstream.api.wire.protobuf_schemas.registry import get_message
from tagstream.api.wire.protobuf_wire import WireError, encode_delimited
from tagstream.api.wire.status import ApiError

#: What kubectl 1.34 sent for `create deployment`, `create job`, `create cronjob` and, from a cron
#: job with a pod that uses much of the specification, `create job --from`.
RECORDED: dict[str, str] = {
    "Deployment": (
        "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50EtIBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEqAB"
        "CAMSDAoKCgNhcHASA3dlYhqFAQocCgASABoAIgAqADIAOABCAFoKCgNhcHASA3dlYhJlEkcKA3dlYhIfcmVnaXN0"
        "cnkuZXhhbXBsZS5jb20vdGVhbS93ZWI6MSoAMgsKABAAGJA/IgAqAEIAagByAIABAIgBAJABAKIBABoAMgBCAEoA"
        "UgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKAA4ABoMCAAQABgAIAAoADgAGgAiAA=="
    ),
    "Job": (
        "azhzAAoPCghiYXRjaC92MRIDSm9iEo0BChQKBG9uY2USABoAIgAqADIAOABCABJrMmkKEAoAEgAaACIAKgAyADgA"
        "QgASVRIyCgRvbmNlEglidXN5Ym94OjEaBGVjaG8aBWhlbGxvKgBCAGoAcgCAAQCIAQCQAQCiAQAaBU5ldmVyMgBC"
        "AEoAUgBYAGAAaACCAQCKAQCaAQDCAQAaCCAAKAAwADoAGgAiAA=="
    ),
    "CronJob": (
        "azhzAAoTCghiYXRjaC92MRIHQ3JvbkpvYhK0AQoXCgduaWdodGx5EgAaACIAKgAyADgAQgASlgEKCTAgMyAqICog"
        "KhoAKoYBChcKB25pZ2h0bHkSABoAIgAqADIAOABCABJrMmkKEAoAEgAaACIAKgAyADgAQgASVRIuCgduaWdodGx5"
        "EglidXN5Ym94OjEaBGRhdGUqAEIAagByAIABAIgBAJABAKIBABoJT25GYWlsdXJlMgBCAEoAUgBYAGAAaACCAQCK"
        "AQCaAQDCAQAaABoAIgA="
    ),
    "Job from a CronJob": (
        "azhzAAoPCghiYXRjaC92MRIDSm9iErEGCl4KAXgSABoAIgAqADIAOABCAGIrCiFjcm9uam9iLmt1YmVybmV0ZXMu"
        "aW8vaW5zdGFudGlhdGUSBm1hbnVhbGoeCgdDcm9uSm9iGgRmdWxsIgF1KghiYXRjaC92MTABEsQFCAAynwUKGgoA"
        "EgAaACIAKgAyADgAQgBaCAoDYXBwEgF4EoAFChYKB3NjcmF0Y2gSCxIJCgASBQoDMUdpCkgKA2FsbBJB0gE+ChIK"
        "EAoDCgFzEgkKAWsSAXAYgAIKCiIICgAQ2AQaAXQKHBIaChgKAWMaEwoAEgpsaW1pdHMuY3B1GgMKATAKRQoDb3du"
        "Ej7qATsKOQoQCgASABoAIgAqADIAOABCABIlCg1SZWFkV3JpdGVPbmNlEhISEAoHc3RvcmFnZRIFCgM1R2kaABLk"
        "AQoEbWFpbhIDaToyKgA6BgoBQRIBYjoTCgFQEgAaDCIKCgMKAXMSAWsYAEIpCg0KA2NwdRIGCgQ1MDBtCg8KBm1l"
        "bW9yeRIFCgMxR2kaBwoDZ3B1EgBKFQoHc2NyYXRjaBAAGgQvdG1wIgAyAFIkChgSFgoFL2xpdmUSCQgBEAAaA3dl"
        "YhoAIgAQABgAIAUoADAAWhsKDRoLCgcIABCQPxoAEgAQABgAIAAoADAAOABiBhIEIgIIA2oAcgB6GwoFEgNBTEwg"
        "AFoQCg5SdW50aW1lRGVmYXVsdIABAIgBAJABAKIBABoFTmV2ZXIyAEIASgBSAFgAYABoAHILIAAgiCcogICAgAiC"
        "AQCKAQCSASwKEAoOCgwKCgoBaxICSW4aAXYaGBIWCGQSEgoKCggKA2FwcBIBeBoEem9uZZoBAKIBKAoEc2lkZRID"
        "aToxKgBCAGoAcgCAAQCIAQCQAQCiAQDCAQZBbHdheXOyARAKABIGRXhpc3RzGgAiACgewgEAggINCgNjcHUSBgoE"
        "MjUwbYoCFwgBEgR6b25lGg1Eb05vdFNjaGVkdWxlkgIoCiAKBWRlYnVnEgNpOjMqAEIAagByAIABAIgBAJABAKIB"
        "ABIEbWFpbkoHSW5kZXhlZFoVChMKBklnbm9yZRIJEgJJbhgBGIkBGgggACgAMAA6ABoAIgA="
    ),
}
KINDS = [
    ("v1", "Pod"),
    ("v1", "PodTemplate"),
    ("v1", "ReplicationController"),
    ("v1", "ConfigMap"),
    ("v1", "LimitRange"),
    ("v1", "Event"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("autoscaling/v1", "Scale"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("events.k8s.io/v1", "Event"),
]


def definition_of(api_version: str, kind: str) -> Definition:
    group, _, version = api_version.rpartition("/")
    definitions = load_definitions().values()
    return next(found for found in definitions if found.kind == (group, version, kind))


def names(spec: MessageSpec) -> dict[str, MessageSpec | None]:
    """The JSON names of a table's fields, and the table below each."""
    found: dict[str, MessageSpec | None] = {}
    for field in spec.fields:
        if field.type is FieldType.INLINE and field.message:
            found |= names(field.message)
        else:
            found[field.name] = field.message
    return found


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED.keys())
def test_what_kubectl_sent_survives_decoding_and_encoding(recorded: str) -> None:
    data = base64.b64decode(recorded)
    assert encode_protobuf(decode_protobuf(data)) == data


def test_a_deployment_of_kubectl_reads_as_json_would() -> None:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": "registry.example.com/team/web:1",
        "ports": [{"containerPort": 8080}],
        "resources": {},
    }
    decoded = decode_body(
        base64.b64decode(RECORDED["Deployment"]),
        "application/vnd.kubernetes.protobuf",
        Expected("apps/v1", "Deployment"),
    )
    assert decoded.body == {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web", "labels": labels},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        "status": {},
    }


def test_a_rich_pod_of_kubectl_reads_as_json_would() -> None:
    job = decode_protobuf(base64.b64decode(RECORDED["Job from a CronJob"]))["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"] == {"operator": "In", "values": [1, 137]}
    assert (job["parallelism"], job["completionMode"]) == (0, "Indexed")
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/live", "port": "web"},
        "periodSeconds": 5,
    }
    assert container["readinessProbe"]["tcpSocket"] == {"port": 8080}
    assert container["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "claims": [{"name": "gpu"}],
    }
    assert container["env"][1]["valueFrom"]["secretKeyRef"] == {
        "name": "s",
        "key": "k",
        "optional": False,
    }
    assert pod["securityContext"] == {"supplementalGroups": [0, 5000], "fsGroup": 1 << 31}
    assert pod["volumes"][0] == {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}
    (debug,) = pod["ephemeralContainers"]
    assert debug == {
        "name": "debug",
        "image": "i:3",
        "resources": {},
        "targetContainerName": "main",
    }


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_every_field_of_a_kind_round_trips(api_version: str, kind: str) -> None:
    spec = get_message(api_version, kind)
    assert spec is not None
    obj = {"apiVersion": api_version, "kind": kind, **fill(spec)}
    assert decode_protobuf(encode_protobuf(obj)) == obj


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_a_list_of_a_kind_round_trips(api_version: str, kind: str) -> None:
    if kind == "Scale":
        assert not supports(api_version, "ScaleList")
        return
    spec = get_message(api_version, kind)
    assert spec is not None
    obj = {
        "apiVersion": api_version,
        "kind": f"{kind}List",
        "metadata": {"resourceVersion": "5"},
        "items": [canonical(spec, {}), fill(spec)],
    }
    assert decode_protobuf(encode_protobuf(obj)) == obj


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_a_table_has_the_fields_of_the_schema(api_version: str, kind: str) -> None:
    definitions, seen = load_definitions(), set()
    root = get_message(api_version, kind)
    assert root is not None
    waiting = [(root, definition_of(api_version, kind))]
    while waiting:
        spec, definition = waiting.pop()
        if definition.name in seen:
            continue
        seen.add(definition.name)
        tables = names(spec)
        # On the wire only the envelope has the type of an object.
        assert definition.fields.keys() - tables.keys() in (set(), {"apiVersion", "kind"})
        assert tables.keys() <= definition.fields.keys(), spec.name
        for name, below in tables.items():
            found = definitions.get(strip_containers(definition.fields[name].type))
            if below is not None and found is not None:
                waiting.append((below, found))


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
@given(st.sampled_from(KINDS), st.data())
def test_any_object_comes_back_in_its_canonical_form(
    named: tuple[str, str], data: st.DataObject
) -> None:
    api_version, kind = named
    spec = get_message(api_version, kind)
    assert spec is not None
    obj = data.draw(objects(spec))
    type_meta = {"apiVersion": api_version, "kind": kind}
    encoded = encode_protobuf({**obj, **type_meta})
    decoded = decode_protobuf(encoded)
    assert decoded == {**type_meta, **canonical(spec, obj)}
    assert encode_protobuf(decoded) == encoded


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\x08\x00\x10\x00\x1a\x00"),
        (8080, b"\x08\x00\x10\x90\x3f\x1a\x00"),
        (-1, b"\x08\x00\x10" + b"\xff" * 9 + b"\x01\x1a\x00"),
        ("25%", b"\x08\x01\x10\x00\x1a\x0325%"),
        ("", b"\x08\x01\x10\x00\x1a\x00"),
    ],
)
def test_an_int_or_string_is_a_message_that_says_which(value: int | str, encoded: bytes) -> None:
    codec = compile_message(HTTP_GET_ACTION)
    written = codec.encode({"port": value})
    assert encode_delimited(b"\x12", encoded) in written
    assert codec.decode(written) == {"port": value}


def test_a_quantity_is_a_message_of_its_text() -> None:
    codec = compile_message(CONTAINER)
    limits = {"cpu": 1, "memory": 0.5, "storage": "1Gi", "none": None}
    written = codec.encode({"resources": {"limits": limits}})
    assert b"\x0a\x07storage\x12\x05\x0a\x031Gi" in written
    assert codec.decode(written)["resources"]["limits"] == {
        "cpu": "1",
        "memory": "0.5",
        "storage": "1Gi",
        "none": "0",
    }


def test_a_quantity_that_is_no_pointer_is_always_there() -> None:
    codec = compile_message(RESOURCE_FIELD_SELECTOR)
    assert codec.encode({"resource": "r"}) == b"\x0a\x00\x12\x01r\x1a\x03\x0a\x010"
    assert codec.decode(b"\x1a\x00") == {"resource": "", "divisor": "0"}


def test_numbers_may_be_packed_or_not() -> None:
    codec = compile_message(POD_SECURITY_CONTEXT)
    assert codec.encode({"supplementalGroups": [1, 300, None]}) == b"\x20\x01\x20\xac\x02\x20\x00"
    assert codec.decode(b"\x20\x01\x22\x03\x02\xac\x02\x20\x04") == {
        "supplementalGroups": [1, 2, 300, 4]
    }


def test_an_embedded_message_shares_the_fields_of_the_one_around_it() -> None:
    volume = {"name": "v", "emptyDir": {}}
    written = compile_message(VOLUME).encode(volume)
    assert written == b"\x0a\x01v\x12\x04\x12\x02\x0a\x00"
    assert compile_message(VOLUME).decode(written) == volume
    assert compile_message(PROBE).decode(b"") == {}


def test_null_is_the_empty_item_of_a_list() -> None:
    codec = compile_message(CONTAINER)
    written = codec.encode({"args": [None, "a"], "env": [None]})
    assert codec.decode(written) == {
        "name": "",
        "args": ["", "a"],
        "env": [{"name": ""}],
        "resources": {},
    }


def test_fields_of_a_newer_kubernetes_are_skipped() -> None:
    newer = b"\xfa\x3e\x02hi\xf8\x3e\x05\xfd\x3e\x00\x00\x00\x00\xf9\x3e" + bytes(8)
    assert compile_message(POD_SPEC).decode(newer) == {"containers": []}


@pytest.mark.parametrize(
    "port", [b"\x08\x02", b"\x08", b"\x1a\x05ab", b"\x08\x01\x1a\x01\xff", b"\x0b"]
)
def test_a_damaged_int_or_string_is_refused(port: bytes) -> None:
    with pytest.raises((WireError, UnicodeDecodeError)):
        compile_message(HTTP_GET_ACTION).decode(encode_delimited(b"\x12", port))


@pytest.mark.parametrize(
    "pod",
    [
        b"\x12\x02\x22\x05",
        b"\x12\x02\x10\x01",
        b"\x12\x06\x72\x04\x22\x02\xff\xff",
        b"\x12\x05\x12\x03\x0a\x01\xff",
    ],
)
def test_hostile_bytes_are_a_bad_request(pod: bytes) -> None:
    body = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod" + encode_delimited(b"\x12", pod)
    with pytest.raises(ApiError) as caught:
        decode_protobuf(body)
    assert caught.value.code == 400


def test_a_body_of_another_kind_is_refused_unread() -> None:
    body = b"k8s\0\x0a\x0d\x0a\x02v1\x12\x07PodList\x12\x02\xff\xff"
    with pytest.raises(ApiError) as caught:
        decode_body(body, "application/vnd.kubernetes.protobuf", Expected("v1", "Pod"))
    assert caught.value.code == 400
    assert "PodList" in caught.value.message


@given(st.sampled_from(sorted(RECORDED.values())), st.data())
def test_damaged_bodies_are_read_or_refused(recorded: str, data: st.DataObject) -> None:
    body = bytearray(base64.b64decode(recorded))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    try:
        decode_protobuf(bytes(body))
    except ApiError as error:
        assert error.code == 400  # noqa: PT017 (both ends are allowed)
