"""The packaged type descriptions, read.

Owns their notation. `data/kubernetes.json` is generated (proto/generate_kubernetes_schemas.py), the
YAML files are written by hand. A field is a type, or a list of type, description and options:
`required`, `merge` (the key by which a strategic merge patch joins the list; empty for a set),
`strategy` (of a patch) and `go` (the Go type, for error texts). A type is a scalar of SCALARS,
`object` (anything), the name of a definition, or one of these behind `[]` or `map[string]`. A bare
name means the file's own package; `core.` and `meta.` mean Kubernetes' packages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from sys import intern
from typing import Any, Final

import yaml

SCALARS: Final = frozenset(
    {
        *("string", "bool", "int32", "int64", "float64", "bytes", "object"),
        *("Time", "MicroTime", "IntOrString", "Quantity"),
    }
)
LIST: Final = "[]"
MAP: Final = "map[string]"
META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_ALIASES: Final = {"core.": "io.k8s.api.core.v1.", "meta.": f"{META}."}
_KIND_FIELDS: Final = {
    "apiVersion": "string",
    "kind": "string",
    "metadata": f"{META}.ObjectMeta",
}

GroupKind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `type` is resolved: definitions are named in full. `merge_key` None means that
    patches have no rule for it."""

    type: str
    description: str = ""
    required: bool = False
    merge_key: str | None = None
    strategy: str = ""
    go: str = ""

    @property
    def go_type(self) -> str:
        """How Go names the type, like `[]v1.TagReference`."""
        return self.go or go_type(self.type)


@dataclass(frozen=True, slots=True)
class Definition:
    """One object type. `kind` is group, version and kind where it is a kind of the API."""

    name: str
    description: str
    fields: Mapping[str, Field]
    kind: GroupKind | None = None

    @property
    def go_name(self) -> str:
        """The bare name of the Go struct."""
        return self.name.rpartition(".")[2]


def load_definitions() -> dict[str, Definition]:
    """All definitions by full name. Reads the packaged files: some 30 ms."""
    definitions: dict[str, Definition] = {}
    folder = files(__package__).joinpath("data")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        read = _read_generated if file.name.endswith(".json") else _read_written
        definitions.update((definition.name, definition) for definition in read(file))
    return definitions


def strip_containers(text: str) -> str:
    """The innermost type of a list or map."""
    while text.startswith((LIST, MAP)):
        text = text.removeprefix(LIST).removeprefix(MAP)
    return text


def go_type(text: str) -> str:
    """How Go names a resolved type: `[]v1.Container`, `map[string]string`."""
    if text == f"{MAP}Quantity":
        return "v1.ResourceList"
    inner = strip_containers(text)
    prefix = text[: len(text) - len(inner)]
    if inner == "bytes":
        return f"{prefix}[]uint8"
    if inner == "Quantity":
        return f"{prefix}resource.Quantity"
    if inner in SCALARS:
        return prefix + inner
    return prefix + ".".join(inner.split(".")[-2:])


def _read_generated(file: Traversable) -> Iterator[Definition]:
    for name, entry in json.loads(file.read_bytes()).items():
        required = frozenset(entry.get("required", ()))
        fields = {
            intern(field): _parse_field(value, "", field in required)
            for field, value in entry["fields"].items()
        }
        kind = entry.get("kind")
        yield Definition(intern(name), "", fields, (kind[0], kind[1], kind[2]) if kind else None)


def _read_written(file: Traversable) -> Iterator[Definition]:
    content = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    package = content["package"]
    for name, entry in content["definitions"].items():
        written = dict(entry["fields"])
        kind = None
        if entry.get("kind"):
            written = _KIND_FIELDS | written
            kind = (content["group"], content["version"], name)
        fields = {
            intern(field): _parse_field(value, package, required=False)
            for field, value in written.items()
        }
        yield Definition(f"{package}.{name}", entry["description"], fields, kind)


def _parse_field(value: Any, package: str, required: bool) -> Field:
    if isinstance(value, str):
        return Field(_resolve(value, package), required=required)
    text, description, *rest = value
    options = rest[0] if rest else {}
    return Field(
        _resolve(text, package),
        description,
        required or options.get("required", False),
        options.get("merge"),
        options.get("strategy", ""),
        options.get("go", ""),
    )


def _resolve(text: str, package: str) -> str:
    inner = strip_containers(text)
    prefix = text[: len(text) - len(inner)]
    for alias, full in _ALIASES.items():
        if inner.startswith(alias):
            return intern(prefix + full + inner.removeprefix(alias))
    if inner in SCALARS or "." in inner:
        return intern(text)
    return intern(f"{prefix}{package}.{inner}")
