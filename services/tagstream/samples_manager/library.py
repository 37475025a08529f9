"""A library: a directory of image streams and templates with a manifest.yaml that lists them.

Owns the layout, reading and the rules between files; what one object must be like is
`library_checks.py`. Nothing of a library counts unless all of it is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tagstream.errors import InvalidInput
from tagstream.samples_manager.config import ARCHITECTURES, inventory_of
from tagstream.samples_manager.inventory import Library
from tagstream.samples_manager.library_checks import STREAM, TEMPLATE, check_sample
from tagstream.samples_manager.objects import JsonObject, mappings, name_of, text, texts

SHIPPED = Path(__file__).parent / "library"
MANIFEST = "manifest.yaml"
_MAX_FILE_BYTES = 1024 * 1024
_MAX_FILES = 2000
_VERSION_CHARS = 63


class LibraryError(InvalidInput):
    """The library cannot be used; `problems` are all reasons, each naming its file."""

    def __init__(self, directory: Path, problems: list[str]) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        see = f"see them all with `tagstream samples verify --library {directory}`"
        super().__init__(f"library {directory}", f"{problems[0]}{more}; {see}")


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str
    kind: str
    architectures: tuple[str, ...]


# By kind and name; one for each set of architectures.
_Found = dict[str, dict[str, list[tuple[_Listed, JsonObject]]]]


def load_library(directory: Path, architectures: tuple[str, ...] = ()) -> Library:
    """Read all of it; the samples are those for the first of `architectures`.

    Raises LibraryError with every problem there is.
    """
    problems: list[str] = []
    manifest = _read_yaml(directory / MANIFEST, MANIFEST, problems)
    if manifest is None:
        raise LibraryError(directory, problems)
    listed = _parse_manifest(manifest, problems)
    problems += _unlisted(directory, listed)
    found = _read_samples(directory, listed, problems)
    if problems:
        raise LibraryError(directory, problems)
    inventory = inventory_of(architectures)
    chosen = {
        kind: {
            name: sample
            for name, same_name in samples.items()
            for one, sample in same_name
            if not one.architectures or inventory in map(_inventory, one.architectures)
        }
        for kind, samples in found.items()
    }
    return Library(
        text(manifest.get("name")),
        text(manifest.get("version")),
        chosen[STREAM],
        chosen[TEMPLATE],
        manifest.get("allowShrink") is True,
    )


def _read_samples(directory: Path, listed: Iterable[_Listed], problems: list[str]) -> _Found:
    found: _Found = {STREAM: {}, TEMPLATE: {}}
    for one in listed:
        sample = _read_sample(directory, one, problems)
        if sample is None:
            continue
        name = name_of(sample)
        same_name = found[one.kind].setdefault(name, [])
        also = next((other.path for other, _ in same_name if _overlap(one, other)), None)
        if also is not None:
            problems.append(f"{one.path}: {one.kind} {name!r} is in {also} too")
        same_name.append((one, sample))
    return found


def fingerprint(directory: Path) -> object:
    """Equal as long as no file of the directory has changed; cheap enough for every look."""
    try:
        return tuple(
            (str(path), found.st_mtime_ns, found.st_size)
            for path in sorted(directory.rglob("*.yaml"))
            for found in [path.stat()]
        )
    except OSError as error:
        return str(error)


def _overlap(one: _Listed, other: _Listed) -> bool:
    """Two files may hold the same sample only for different architectures."""
    mine, theirs = (set(map(_inventory, each.architectures)) for each in (one, other))
    return not mine or not theirs or not mine.isdisjoint(theirs)


def _inventory(architecture: str) -> str:
    return inventory_of([architecture])


def _read_yaml(path: Path, shown: str, problems: list[str]) -> JsonObject | None:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            problems.append(f"{shown}: larger than {_MAX_FILE_BYTES} bytes")
            return None
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        problems.append(f"{shown}: does not exist")
        return None
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{shown}: cannot be read: {error}")
        return None
    return _parse_yaml(content, shown, problems)


def _parse_yaml(content: str, shown: str, problems: list[str]) -> JsonObject | None:
    try:
        events = yaml.parse(content, yaml.CSafeLoader) if "*" in content and "&" in content else ()
        if any(isinstance(event, yaml.AliasEvent) for event in events):
            problems.append(f"{shown}: YAML aliases (*name) are not allowed; write it out")
            return None
        document = yaml.load(content, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(f"{shown}: bad YAML: {' '.join(str(error).split())[:300]}")
        return None
    if not isinstance(document, dict):
        problems.append(f"{shown}: must hold one object")
        return None
    return document


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice, where YAML would take the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f"key {key.value!r} is there twice{key.start_mark}")
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def _parse_manifest(manifest: JsonObject, problems: list[str]) -> list[_Listed]:
    for key in ("name", "version"):
        value = manifest.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= _VERSION_CHARS:
            problems.append(f"{MANIFEST}: {key} must be a string in quotes, like '1.0'")
    files = mappings(manifest.get("files"))
    if not files:
        problems.append(f"{MANIFEST}: files must list at least one file")
    if len(files) > _MAX_FILES:
        problems.append(f"{MANIFEST}: lists more than {_MAX_FILES} files")
        return []
    listed: dict[str, _Listed] = {}
    for index, one in enumerate(files):
        path, kind = text(one.get("path")), text(one.get("kind"))
        architectures = texts(one.get("architectures"))
        problem = _problem_of_entry(path, kind, architectures, listed)
        if problem:
            problems.append(f"{MANIFEST}: files[{index}]: {problem}")
        else:
            listed[path] = _Listed(path, kind, architectures)
    return list(listed.values())


def _problem_of_entry(
    path: str, kind: str, architectures: tuple[str, ...], listed: Mapping[str, object]
) -> str:
    if not path or path.startswith("/") or ".." in Path(path).parts:
        return f"path {path!r} must be a file inside the library"
    if path in listed:
        return f"{path} is listed twice"
    if kind not in (STREAM, TEMPLATE):
        return f"kind {kind!r} of {path} must be {STREAM} or {TEMPLATE}"
    unknown = [one for one in architectures if one not in ARCHITECTURES]
    return f"unknown architecture {unknown[0]!r} of {path}" if unknown else ""


def _unlisted(directory: Path, listed: list[_Listed]) -> list[str]:
    known = {one.path for one in listed} | {MANIFEST}
    found = sorted(str(path.relative_to(directory)) for path in directory.rglob("*.yaml"))
    return [
        f"{path}: is not in {MANIFEST}; list it there or delete it"
        for path in found
        if path not in known
    ]


def _read_sample(directory: Path, one: _Listed, problems: list[str]) -> JsonObject | None:
    path = directory / one.path
    if not path.resolve().is_relative_to(directory.resolve()):
        problems.append(f"{one.path}: leads out of the library")
        return None
    before = len(problems)
    sample = _read_yaml(path, one.path, problems)
    if sample is None:
        if problems[before:] == [f"{one.path}: does not exist"]:
            problems[-1] = f"{MANIFEST}: lists {one.path}, which is not there"
        return None
    found = check_sample(sample, one.kind)
    problems += [f"{one.path}: {problem}" for problem in found]
    return None if found else _without_nulls(sample)


def _without_nulls(value: Any) -> Any:
    # The server keeps no null either; with them every comparison would differ.
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
