"""`Documents`: which document lies at a path, in the form that the client asked for.

Owns routing, negotiation and the cache; the documents are made elsewhere in this package. Each is
made at the first request and kept, large ones compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from tagstream.api.documents.discovery import (
    build_aggregated,
    build_api_versions,
    build_group,
    build_group_list,
    build_resource_list,
    group_kinds,
)
from tagstream.api.documents.openapi import build_v2, build_v3, tagstream_version
from tagstream.api.documents.openapi_protobuf import encode_document
from tagstream.api.documents.packed import HeaderReader, Packed, pack, redirect_to_hash
from tagstream.api.engine.call import Answer
from tagstream.api.engine.kinds import Kind
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.wire.encode import encode_body, encode_json
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.negotiation import DISCOVERY_SHAPES, PLAIN_SHAPES, Shape, negotiate
from tagstream.api.wire.status import not_acceptable

JSON: Final = "application/json"
V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# The older name of the same; not a well-formed media type, but what clients send.
_V2_PROTOBUF_OLD: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_INDEX_TYPE: Final = "text/plain; charset=utf-8"
_ANY: Final = frozenset({"", "*/*", "application/*", JSON})

#: The level of Kubernetes' API that clients may expect: that of OpenShift 4.17.
KUBERNETES_MINOR: Final = "30"


class Documents:
    """Discovery, OpenAPI and version. Not to be used from several threads at a time."""

    def __init__(self, kinds: Callable[[], Sequence[Kind]], schemas: Schemas) -> None:
        """`kinds` is asked once, at the first request: all kinds are registered by then."""
        self._list_kinds = kinds
        self._schemas = schemas
        self._groups: dict[str, dict[str, Sequence[Kind]]] = {}
        self._answers: dict[tuple[str, str], Answer] = {}
        self._packed: dict[tuple[str, str], Packed] = {}
        self._index: Answer | None = None

    def answer(self, path: str, query: Mapping[str, str], headers: HeaderReader) -> Answer | None:
        """The document at a path, None where there is none. Raises 406."""
        if not self._groups:
            grouped = group_kinds(self._list_kinds())
            self._groups = {group: dict(versions) for group, versions in grouped.items()}
        path = path.rstrip("/")
        match path.split("/")[1:]:
            case ["version"]:
                return Answer(200, JSON, encode_json(_describe_version()))
            case ["api"] | ["apis"]:
                return self._roots(path, headers)
            case ["api", version]:
                return self._resource_list(path, "", version, headers)
            case ["apis", group, version]:
                return self._resource_list(path, group, version, headers)
            case ["apis", group] if group in self._groups:
                return self._small(path, headers, lambda: build_group(self._groups, group))
            case ["openapi", *rest]:
                return self._openapi(path, rest, query, headers)
        return None

    def _roots(self, path: str, headers: HeaderReader) -> Answer:
        accept = headers.all(b"accept")
        form = negotiate(accept, shapes=DISCOVERY_SHAPES)
        core = path == "/api"
        if form.shape is not Shape.DISCOVERY:
            if core:
                address = headers.get(b"host")
                body = encode_body(build_api_versions(self._groups, address), form.encoding)
                return Answer(200, form.content_type, body)
            return self._small(path, headers, lambda: build_group_list(self._groups))
        key = (path, form.content_type)
        packed = self._packed.get(key)
        if packed is None:
            value = build_aggregated(self._groups, form.version, core=core)
            packed = pack(form.content_type, encode_body(value, form.encoding))
            self._packed[key] = packed
        return _with_headers(packed.answer(headers), (b"cache-control", b"public"))

    def _resource_list(
        self, path: str, group: str, version: str, headers: HeaderReader
    ) -> Answer | None:
        kinds = self._groups.get(group, {}).get(version)
        if kinds is None:
            return None
        answer = self._small(path, headers, lambda: build_resource_list(group, version, kinds))
        if group.endswith(".openshift.io"):
            return _with_headers(answer, (b"cache-control", b"no-store"))
        return answer

    def _small(self, path: str, headers: HeaderReader, build: Callable[[], JsonObject]) -> Answer:
        form = negotiate(headers.all(b"accept"), shapes=PLAIN_SHAPES)
        key = (path, form.content_type)
        answer = self._answers.get(key)
        if answer is None:
            body = encode_body(build(), form.encoding)
            answer = self._answers[key] = Answer(200, form.content_type, body)
        return answer

    def _openapi(
        self, path: str, rest: list[str], query: Mapping[str, str], headers: HeaderReader
    ) -> Answer | None:
        match rest:
            case ["v2"]:
                return self._v2(headers)
            case ["v3"]:
                _require(headers, ())
                return self._index or self._build_index()
            case ["v3", "api", version]:
                return self._v3(path, "", version, query, headers)
            case ["v3", "apis", group, version]:
                return self._v3(path, group, version, query, headers)
        return None

    def _v2(self, headers: HeaderReader) -> Answer:
        content_type = _require(headers, (V2_PROTOBUF, _V2_PROTOBUF_OLD))
        if content_type == _V2_PROTOBUF_OLD:
            content_type = V2_PROTOBUF
        packed = self._packed.get(("/openapi/v2", content_type))
        if packed is None:
            document = build_v2(self._all_kinds(), self._schemas)
            if content_type == V2_PROTOBUF:
                packed = pack(content_type, encode_document(document))
            else:
                packed = pack(content_type, orjson.dumps(document))
            self._packed["/openapi/v2", content_type] = packed
        return packed.answer(headers)

    def _v3(
        self,
        path: str,
        group: str,
        version: str,
        query: Mapping[str, str],
        headers: HeaderReader,
    ) -> Answer | None:
        if version not in self._groups.get(group, {}):
            return None
        _require(headers, ())
        packed = self._pack_v3(group, version)
        asked = query.get("hash", "")
        if asked and asked != packed.hash:
            return redirect_to_hash(path, query, packed.hash)
        return packed.answer(headers, immutable=bool(asked))

    def _pack_v3(self, group: str, version: str) -> Packed:
        key = (f"/openapi/v3/{_v3_name(group, version)}", JSON)
        packed = self._packed.get(key)
        if packed is None:
            document = build_v3(self._groups[group][version], self._schemas)
            packed = self._packed[key] = pack(JSON, orjson.dumps(document))
        return packed

    def _build_index(self) -> Answer:
        paths = {}
        for group, versions in self._groups.items():
            for version in versions:
                name = _v3_name(group, version)
                hashed = f"/openapi/v3/{name}?hash={self._pack_v3(group, version).hash}"
                paths[name] = {"serverRelativeURL": hashed}
        self._index = Answer(200, _INDEX_TYPE, encode_json({"paths": paths}))
        return self._index

    def _all_kinds(self) -> list[Kind]:
        return [
            kind
            for versions in self._groups.values()
            for kinds in versions.values()
            for kind in kinds
        ]


def _v3_name(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _require(headers: HeaderReader, others: tuple[str, ...]) -> str:
    """The content type for an Accept header: one of `others`, or JSON. Raises 406."""
    accept = headers.all(b"accept")
    for clause in accept.split(","):
        media_type = clause.partition(";")[0].strip().lower()
        if media_type in _ANY:
            return JSON
        if media_type in others:
            return media_type
    raise not_acceptable([JSON, *others])


def _with_headers(answer: Answer, *more: tuple[bytes, bytes]) -> Answer:
    return Answer(answer.status, answer.content_type, answer.body, headers=(*answer.headers, *more))


def _describe_version() -> JsonObject:
    return {
        "major": "1",
        "minor": KUBERNETES_MINOR,
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+tagstream-{tagstream_version()}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }
