"""The OpenAPI documents: version 2 for everything, version 3 for each group and version.

Pure functions of the kinds and their definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Final

from tagstream.api.documents.openapi_paths import Names, build_paths, collect_references
from tagstream.api.documents.openapi_schemas import (
    V2_PREFIX,
    V3_PREFIX,
    build_list_schema,
    build_schema,
    build_unknown_schema,
    used_definitions,
)
from tagstream.api.engine.kinds import Kind
from tagstream.api.schemas.definitions import META, GroupKind
from tagstream.api.schemas.schemas import Schemas
from tagstream.api.wire.json_types import JsonObject

_SPECIAL: Final = {"SecretList": "Secret"}


def tagstream_version() -> str:
    """The version of the installed distribution; 0 when run from a bare source tree."""
    try:
        return metadata.version("tagstream")
    except metadata.PackageNotFoundError:
        return "0"


def build_v2(kinds: Iterable[Kind], schemas: Schemas) -> JsonObject:
    """`/openapi/v2`."""
    builder = _Builder(schemas, V2_PREFIX)
    paths, definitions = builder.build(list(kinds))
    return {"swagger": "2.0", "info": _info(), "paths": paths, "definitions": definitions}


def build_v3(kinds: Sequence[Kind], schemas: Schemas) -> JsonObject:
    """`/openapi/v3/apis/<group>/<version>` for the kinds of one group and version."""
    builder = _Builder(schemas, V3_PREFIX)
    paths, definitions = builder.build(list(kinds))
    components = {"schemas": definitions}
    return {"openapi": "3.0.0", "info": _info(), "paths": paths, "components": components}


def _info() -> JsonObject:
    return {"title": "Tagstream", "version": tagstream_version()}


class _Builder:
    """Collects paths and the schemas they need."""

    def __init__(self, schemas: Schemas, prefix: str) -> None:
        self._schemas = schemas
        self._prefix = prefix
        # Lists and kinds without a definition, which are made here.
        self._made: dict[str, JsonObject] = {}

    def build(self, kinds: list[Kind]) -> tuple[JsonObject, JsonObject]:
        paths: JsonObject = {}
        for kind in kinds:
            item = self._name((kind.group, kind.version, kind.kind), kind.schema)
            names = Names(item, self._name_list((kind.group, kind.version, kind.kind), item))
            below = {
                entry.name: self._name(
                    (
                        kind.group if entry.group is None else entry.group,
                        entry.version or kind.version,
                        entry.kind,
                    )
                )
                for entry in kind.subresources
            }
            paths.update(build_paths(kind, names, below, self._prefix))
        return dict(sorted(paths.items())), self._collect(paths)

    def _name(self, kind: GroupKind, schema: str = "") -> str:
        found = self._schemas.find(*kind, schema)
        if found is not None:
            return found.name
        if kind[2] in _SPECIAL:
            core = ("", "v1", _SPECIAL[kind[2]])
            return self._name_list(core, self._name(core))
        name = ".".join(part for part in kind if part)
        self._made[name] = build_unknown_schema(kind)
        return name

    def _name_list(self, kind: GroupKind, item: str) -> str:
        name = f"{item}List"
        self._made[name] = build_list_schema(item, kind, self._prefix)
        return name

    def _collect(self, paths: JsonObject) -> JsonObject:
        """The schemas that paths refer to, and what those refer to, by name."""
        collected: JsonObject = {}
        todo = {*collect_references(paths), f"{META}.ObjectMeta"}
        while todo:
            name = todo.pop()
            made = self._made.get(name)
            if made is not None:
                collected[name] = made
                todo |= {found for found in collect_references(made) if found not in collected}
                continue
            definition = self._schemas.definitions[name]
            collected[name] = build_schema(definition, self._prefix)
            todo |= {found for found in used_definitions(definition) if found not in collected}
        return dict(sorted(collected.items()))
