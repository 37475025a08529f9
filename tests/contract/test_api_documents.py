"""Discovery and OpenAPI as clients see them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from fakes.documents_app import DEPLOYMENTS, IMAGE_KINDS, KINDS
from tagstream.api.documents.documents import V2_PROTOBUF, Documents
from tagstream.api.engine.call import Answer
from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.server.ports import Headers
from tagstream.api.wire.protobuf_wire import read_length, read_varint, skip_field
from tagstream.api.wire.status import ApiError

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
# What Kubernetes clients from 1.20 on send for OpenAPI version 2.
V2_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
TAG = ["create", "delete", "get", "list", "patch", "update"]
# As a real server answered /apis/image.openshift.io/v1.
RECORDED: list[tuple[str, str, bool, str, list[str], dict[str, Any]]] = [
    ("images", "image", False, "Image", ALL, {"storageVersionHash": "FX/i8Tt+3Fc="}),
    ("imagesignatures", "imagesignature", False, "ImageSignature", ["create", "delete"], {}),
    (
        *("imagestreamimages", "imagestreamimage", True, "ImageStreamImage", ["get"]),
        {"shortNames": ["isimage"]},
    ),
    ("imagestreamimports", "imagestreamimport", True, "ImageStreamImport", ["create"], {}),
    ("imagestreammappings", "imagestreammapping", True, "ImageStreamMapping", ["create"], {}),
    (
        *("imagestreams", "imagestream", True, "ImageStream", ALL),
        {"shortNames": ["is"], "categories": ["all"], "storageVersionHash": "mwmf9lCqOiA="},
    ),
    ("imagestreams/layers", "", True, "ImageStreamLayers", ["get"], {}),
    ("imagestreams/secrets", "", True, "SecretList", ["get"], {}),
    ("imagestreams/status", "", True, "ImageStream", ["get", "patch", "update"], {}),
    ("imagestreamtags", "imagestreamtag", True, "ImageStreamTag", TAG, {"shortNames": ["istag"]}),
    ("imagetags", "imagetag", True, "ImageTag", TAG, {"shortNames": ["itag"]}),
]


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(lambda: KINDS, Schemas())


def get(documents: Documents, path: str, accept: str = "application/json", **more: str) -> Answer:
    """GET; the query stands behind a question mark, headers are named with underscores."""
    path, _, query = path.partition("?")
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    headers = Headers([(b"accept", accept.encode()), (b"host", b"127.0.0.1:6443"), *pairs])
    parameters = dict(part.split("=", 1) for part in query.split("&")) if query else {}
    answer = documents.answer(path, parameters, headers)
    assert answer is not None
    return answer


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


def header(answer: Answer, name: bytes) -> str:
    return dict(answer.headers).get(name, b"").decode()


def test_api_names_the_old_group_and_the_address_that_was_called(documents: Documents) -> None:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}
    assert read(get(documents, "/api")) == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [address],
    }


def test_apis_lists_the_groups_without_the_old_one(documents: Documents) -> None:
    body = read(get(documents, "/apis"))
    version = {"groupVersion": "image.openshift.io/v1", "version": "v1"}
    assert [group["name"] for group in body["groups"]] == [
        "apps",
        "image.openshift.io",
        "tagstream.dev",
    ]
    assert body["groups"][1] == {
        "name": "image.openshift.io",
        "versions": [version],
        "preferredVersion": version,
    }
    group = read(get(documents, "/apis/image.openshift.io"))
    assert group == {"kind": "APIGroup", "apiVersion": "v1", **body["groups"][1]}


def test_the_resources_of_the_image_group_are_those_of_a_recorded_server(
    documents: Documents,
) -> None:
    answer = get(documents, "/apis/image.openshift.io/v1")
    names = ("name", "singularName", "namespaced", "kind", "verbs")
    assert header(answer, b"cache-control") == "no-store"
    assert read(answer) == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "image.openshift.io/v1",
        "resources": [{**dict(zip(names, row[:5], strict=True)), **row[5]} for row in RECORDED],
    }


def test_a_subresource_of_another_group_says_so(documents: Documents) -> None:
    resources = read(get(documents, "/apis/apps/v1"))["resources"]
    scale = next(found for found in resources if found["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    verbs = ["get", "patch", "update"]
    apps = read(get(documents, "/apis", AGGREGATED.format("v2")))["items"][0]
    assert apps["versions"][0]["resources"] == [
        {
            "resource": "deployments",
            "responseKind": {"group": "", "version": "", "kind": "Deployment"},
            "scope": "Namespaced",
            "singularResource": "deployment",
            "verbs": ALL,
            "shortNames": ["deploy"],
            "categories": ["all"],
            "subresources": [
                {
                    "subresource": "scale",
                    "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
                    "verbs": verbs,
                },
                {
                    "subresource": "status",
                    "responseKind": {"group": "", "version": "", "kind": "Deployment"},
                    "verbs": verbs,
                },
            ],
        }
    ]


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_aggregated_discovery_answers_in_the_version_asked_for(
    documents: Documents, version: str
) -> None:
    wanted = AGGREGATED.format(version)
    core = get(documents, "/api", f"{wanted},application/json")
    others = get(documents, "/apis", f"{wanted},application/json")
    assert core.content_type == others.content_type == wanted
    assert header(others, b"cache-control") == "public"
    assert [item["metadata"] for item in read(core)["items"]] == [{}]
    assert read(others)["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert {item["versions"][0]["freshness"] for item in read(others)["items"]} == {"Current"}
    unchanged = get(documents, "/apis", wanted, if_none_match=header(others, b"etag"))
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_old_clients_are_not_given_the_aggregated_form(documents: Documents) -> None:
    assert get(documents, "/apis", "application/json, */*").content_type == "application/json"


@pytest.mark.parametrize(
    "path", ["/", "/apis/nothing", "/apis/apps/v9", "/api/v9", "/openapi/v3/apis/apps/v9", "/x"]
)
def test_what_is_not_served_has_no_document(documents: Documents, path: str) -> None:
    assert documents.answer(path, {}, Headers([])) is None


def test_the_version_is_one_that_clients_can_read(documents: Documents) -> None:
    version = read(get(documents, "/version"))
    assert (version["major"], version["minor"]) == ("1", "30")
    assert version["gitVersion"].startswith("v1.30.0+tagstream-")


def test_the_index_of_version_3_leads_to_documents_that_never_change(documents: Documents) -> None:
    index = get(documents, "/openapi/v3", "application/json, */*")
    paths = read(index)["paths"]
    assert index.content_type == "text/plain; charset=utf-8"
    assert list(paths) == [
        *("api/v1", "apis/apps/v1", "apis/image.openshift.io/v1", "apis/tagstream.dev/v1alpha1")
    ]
    url = paths["apis/image.openshift.io/v1"]["serverRelativeURL"]
    answer = get(documents, url, accept_encoding="gzip")
    assert header(answer, b"cache-control") == "public, immutable"
    assert header(answer, b"content-encoding") == "gzip"
    plain = get(documents, url, accept_encoding="gzip;q=0")
    assert gzip.decompress(answer.body) == plain.body
    assert header(answer, b"etag").strip('"') == url.partition("?hash=")[2]
    assert get(documents, url, if_none_match=header(answer, b"etag")).status == 304


def test_a_hash_of_the_past_is_sent_to_the_present(documents: Documents) -> None:
    answer = get(documents, "/openapi/v3/api/v1?hash=OLD&timeout=32s")
    right = get(documents, header(answer, b"location").replace("&timeout=32s", ""))
    assert answer.status == 301
    assert right.status == 200
    hostile = {"hash": "OLD", "timeout": "1s\r\nset-cookie: a=b"}
    split = documents.answer("/openapi/v3/api/v1", hostile, Headers([]))
    assert split is not None
    assert "\r" not in header(split, b"location")


def test_documents_are_the_same_in_every_process(documents: Documents) -> None:
    other = Documents(lambda: KINDS, Schemas())
    for path in ("/openapi/v2", "/openapi/v3"):
        assert get(other, path).body == get(documents, path).body


def test_every_reference_of_every_document_leads_somewhere(documents: Documents) -> None:
    paths = read(get(documents, "/openapi/v3"))["paths"].values()
    v3 = [read(get(documents, found["serverRelativeURL"])) for found in paths]
    v2 = read(get(documents, "/openapi/v2"))
    assert _references(v2) <= {f"#/definitions/{name}" for name in v2["definitions"]}
    for document in v3:
        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert _references(document) <= known


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {found for item in node for found in _references(item)}
    if not isinstance(node, dict):
        return set()
    found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return found.union(*(_references(item) for item in node.values()))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in (*IMAGE_KINDS, DEPLOYMENTS) if "patch" in kind.verbs],
    ids=lambda kind: kind.kind,
)
def test_patch_tells_that_it_validates_fields_and_knows_dry_runs(
    documents: Documents, kind: Kind
) -> None:
    scope = "namespaces/{namespace}/" if kind.namespaced else ""
    path = f"/apis/{kind.api_version}/{scope}{kind.resource}/{{name}}"
    v3 = read(get(documents, f"/openapi/v3/apis/{kind.api_version}"))
    for document in (v3, read(get(documents, "/openapi/v2"))):
        patch = document["paths"][path]["patch"]
        named = {found["name"] for found in patch["parameters"] if found["in"] == "query"}
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        assert patch["x-kubernetes-group-version-kind"] == gvk
        assert {"fieldValidation", "dryRun"} <= named


def test_a_kind_without_a_definition_is_an_object_of_unknown_fields() -> None:
    below = (Subresource("status", "Thing", ("get",)),)
    thing = Kind("example.com", "v1", "things", "Thing", "thing", True, subresources=below)
    documents = Documents(lambda: [thing], Schemas())
    schema = read(get(documents, "/openapi/v3/apis/example.com/v1"))["components"]["schemas"]
    assert schema["example.com.v1.Thing"]["type"] == "object"
    assert "example.com.v1.ThingList" in schema


@pytest.mark.parametrize("accept", [V2_PROTOBUF, V2_PROTOBUF_OLD])
def test_version_2_in_protobuf_has_the_same_paths_and_definitions(
    documents: Documents, accept: str
) -> None:
    document = read(get(documents, "/openapi/v2"))
    answer = get(documents, "/openapi/v2", accept)
    top = _fields(answer.body)
    assert answer.content_type == V2_PROTOBUF
    assert top[1] == [b"2.0"]
    assert _names(top[8][0], 2) == list(document["paths"])
    assert _names(top[9][0], 1) == list(document["definitions"])


def _fields(data: bytes) -> dict[int, list[bytes]]:
    """The length-delimited fields of a message, by number."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at, len(data))
        if tag & 7 == 2:
            start, end = read_length(data, at, len(data))
            found.setdefault(tag >> 3, []).append(data[start:end])
        at = skip_field(data, tag & 7, at, len(data))
    return found


def _names(message: bytes, number: int) -> list[str]:
    return [_fields(entry)[1][0].decode() for entry in _fields(message)[number]]


def test_version_3_in_protobuf_only_is_refused(documents: Documents) -> None:
    with pytest.raises(ApiError) as refusal:
        get(documents, "/openapi/v3", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf")
    assert refusal.value.code == 406
