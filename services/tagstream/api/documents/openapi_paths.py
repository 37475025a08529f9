"""The operations of a kind as OpenAPI path items, of version 2 or 3.

Owns which paths and parameters there are. Clients read from them, above all, whether PATCH knows
`dryRun` and `fieldValidation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tagstream.api.documents.openapi_schemas import V2_PREFIX, V3_PREFIX, describe_kind
from tagstream.api.engine.kinds import Kind, Subresource
from tagstream.api.schemas.definitions import META, GroupKind
from tagstream.api.wire.json_types import JsonObject

_WRITE: Final = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_LIST: Final = (
    *(("continue", "string"), ("fieldSelector", "string"), ("labelSelector", "string")),
    *(("limit", "integer"), ("resourceVersion", "string"), ("resourceVersionMatch", "string")),
    *(("timeoutSeconds", "integer"), ("watch", "boolean"), ("allowWatchBookmarks", "boolean")),
)
_DELETE: Final = (
    *(("dryRun", "string"), ("gracePeriodSeconds", "integer")),
    *(("orphanDependents", "boolean"), ("propagationPolicy", "string")),
)
_PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


@dataclass(frozen=True, slots=True)
class _Verb:
    """`body`: kind, patch, options or nothing; `answer`: kind, list or status."""

    method: str
    action: str
    on_item: bool
    body: str = ""
    answer: str = "kind"
    parameters: tuple[tuple[str, str], ...] = ()


_VERBS: Final = {
    "list": _Verb("get", "list", False, answer="list", parameters=_LIST),
    "create": _Verb("post", "post", False, "kind", parameters=_WRITE),
    "deletecollection": _Verb(
        "delete", "deletecollection", False, "options", "status", (*_DELETE, *_LIST[:6])
    ),
    "get": _Verb("get", "get", True),
    "update": _Verb("put", "put", True, "kind", parameters=_WRITE),
    "patch": _Verb("patch", "patch", True, "patch", parameters=(*_WRITE, ("force", "boolean"))),
    "delete": _Verb("delete", "delete", True, "options", "status", _DELETE),
}
_NAMES: Final = {"get": "read", "post": "create", "put": "replace"}


@dataclass(frozen=True, slots=True)
class Names:
    """The definitions that a kind's operations speak of."""

    kind: str
    list: str


def build_paths(kind: Kind, names: Names, below: dict[str, str], prefix: str) -> JsonObject:
    """The path items of a kind. `below` names the definition of each subresource."""
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = f"{base}/namespaces/{{namespace}}" if kind.namespaced else base
    collection = f"{scope}/{kind.resource}"
    own = (kind.group, kind.version, kind.kind)
    verbs = [_VERBS[verb] for verb in kind.verbs if verb in _VERBS]
    maker = _Maker(kind, prefix)
    paths: JsonObject = {}
    paths[collection] = maker.path_item([v for v in verbs if not v.on_item], own, names)
    item = f"{collection}/{{name}}"
    paths[item] = maker.path_item([v for v in verbs if v.on_item], own, names, on_item=True)
    if kind.namespaced and "list" in kind.verbs:
        everywhere = maker.path_item([_VERBS["list"]], own, names, everywhere=True)
        paths[f"{base}/{kind.resource}"] = everywhere
    for subresource in kind.subresources:
        paths[f"{item}/{subresource.name}"] = maker.path_item(
            [_VERBS[verb] for verb in subresource.verbs if verb in _VERBS],
            _subresource_kind(kind, subresource),
            Names(below[subresource.name], below[subresource.name]),
            on_item=True,
            suffix=subresource.name.capitalize(),
        )
    return {path: content for path, content in paths.items() if len(content) > 1}


def _subresource_kind(kind: Kind, below: Subresource) -> GroupKind:
    group = kind.group if below.group is None else below.group
    return group, below.version or kind.version, below.kind


class _Maker:
    """Writes operations of one kind in one version of OpenAPI."""

    def __init__(self, kind: Kind, prefix: str) -> None:
        self._kind = kind
        self._prefix = prefix
        self._is_v2 = prefix == V2_PREFIX
        group = "".join(part.capitalize() for part in kind.group.split(".")) or "Core"
        self._tag = group + kind.version.capitalize()

    def path_item(
        self,
        verbs: list[_Verb],
        kind: GroupKind,
        names: Names,
        *,
        on_item: bool = False,
        everywhere: bool = False,
        suffix: str = "",
    ) -> JsonObject:
        scope = "Namespaced" if self._kind.namespaced and not everywhere else ""
        tail = self._kind.kind + suffix + ("ForAllNamespaces" if everywhere else "")
        content: JsonObject = {}
        for verb in verbs:
            name = _NAMES.get(verb.action, verb.action) + self._tag + scope + tail
            content[verb.method] = self._operation(verb, kind, names, name)
        wanted = ["name"] if on_item else []
        wanted += ["namespace"] if scope else []
        content["parameters"] = [self._parameter(name, "string", "path") for name in wanted]
        return content

    def _operation(self, verb: _Verb, kind: GroupKind, names: Names, name: str) -> JsonObject:
        operation: JsonObject = {"operationId": name}
        parameters = [self._parameter(name, type_, "query") for name, type_ in verb.parameters]
        body = {"kind": names.kind, "patch": "", "options": f"{META}.DeleteOptions"}.get(verb.body)
        if body is not None:
            self._add_body(operation, parameters, self._reference(body), verb.body)
        answered = {"list": names.list, "status": f"{META}.Status"}.get(verb.answer, names.kind)
        operation["responses"] = {"200": self._response(self._reference(answered))}
        operation["parameters"] = parameters
        operation["x-kubernetes-action"] = verb.action
        operation["x-kubernetes-group-version-kind"] = describe_kind(kind)
        return operation

    def _add_body(
        self, operation: JsonObject, parameters: list[JsonObject], schema: JsonObject, role: str
    ) -> None:
        consumes = _PATCH_TYPES if role == "patch" else ("*/*",)
        required = role != "options"
        if self._is_v2:
            operation["consumes"] = list(consumes)
            body = {"name": "body", "in": "body", "required": required, "schema": schema}
            parameters.append(body)
        else:
            content = {media_type: {"schema": schema} for media_type in consumes}
            operation["requestBody"] = {"content": content, "required": required}

    def _parameter(self, name: str, type_: str, place: str) -> JsonObject:
        parameter: JsonObject = {"name": name, "in": place}
        if place == "path":
            parameter["required"] = True
        return {**parameter, **({"type": type_} if self._is_v2 else {"schema": {"type": type_}})}

    def _response(self, schema: JsonObject) -> JsonObject:
        if self._is_v2:
            return {"description": "OK", "schema": schema}
        return {"description": "OK", "content": {"application/json": {"schema": schema}}}

    def _reference(self, name: str) -> JsonObject:
        return {"$ref": self._prefix + name} if name else {"type": "object"}


def collect_references(paths: JsonObject) -> Iterator[str]:
    """The definitions that path items name. Iterative."""
    todo: list[object] = [paths]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            found = node.get("$ref")
            if isinstance(found, str):
                yield found.removeprefix(V2_PREFIX).removeprefix(V3_PREFIX)
            todo += node.values()
        elif isinstance(node, list):
            todo += node
