"""The `dockerImageMetadata` object: which fields are kept, from where, in which order.

Owns the second half of spec/image-api-and-import.md §6.9. Values are plain JSON, frozen: mappings
that cannot be written to, and tuples for lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from tagstream.images.untrusted_json import JsonFields

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
FrozenJson: TypeAlias = (
    "bool | int | str | tuple[FrozenJson, ...] | Mapping[str, FrozenJson] | None"
)
Metadata: TypeAlias = Mapping[str, FrozenJson]

METADATA_VERSION: Final = "1.0"

_HEADER: Final = {"kind": "DockerImage", "apiVersion": "image.openshift.io/1.0"}

# In the order they are printed in. The values are the names in a config blob or v1Compatibility.
_CONFIG_NAMES: Final = {
    "Parent": "parent",
    "Comment": "comment",
    "Created": "created",
    "Container": "container",
    "ContainerConfig": "container_config",
    "DockerVersion": "docker_version",
    "Author": "author",
    "Config": "config",
    "Architecture": "architecture",
}
_WIRE_NAMES: Final = {name: name for name in _CONFIG_NAMES}


def _read_set(fields: JsonFields, key: str) -> Mapping[str, FrozenJson]:
    return MappingProxyType({name: MappingProxyType({}) for name in fields.names(key)})


def _read_labels(fields: JsonFields, key: str) -> Mapping[str, FrozenJson]:
    return MappingProxyType(dict(fields.text_map(key)))


_RUN_FIELDS: Final[tuple[tuple[str, Callable[[JsonFields, str], FrozenJson]], ...]] = (
    ("Hostname", JsonFields.text),
    ("Domainname", JsonFields.text),
    ("User", JsonFields.text),
    ("Memory", JsonFields.integer),
    ("MemorySwap", JsonFields.integer),
    ("CpuShares", JsonFields.integer),
    ("Cpuset", JsonFields.text),
    ("AttachStdin", JsonFields.flag),
    ("AttachStdout", JsonFields.flag),
    ("AttachStderr", JsonFields.flag),
    ("PortSpecs", JsonFields.texts),
    ("ExposedPorts", _read_set),
    ("Tty", JsonFields.flag),
    ("OpenStdin", JsonFields.flag),
    ("StdinOnce", JsonFields.flag),
    ("Env", JsonFields.texts),
    ("Cmd", JsonFields.texts),
    ("Dns", JsonFields.texts),
    ("Image", JsonFields.text),
    ("Volumes", _read_set),
    ("VolumesFrom", JsonFields.text),
    ("WorkingDir", JsonFields.text),
    ("Entrypoint", JsonFields.texts),
    ("NetworkDisabled", JsonFields.flag),
    ("SecurityOpts", JsonFields.texts),
    ("OnBuild", JsonFields.texts),
    ("Labels", _read_labels),
)

_RFC3339 = re.compile(
    r"(?P<wall>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-9]{2}))"
)
_ZERO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)


def metadata_from_config(image_id: str, config: JsonFields, size_bytes: int) -> Metadata:
    """From a config blob, or from a v1Compatibility text, which has the same names.

    Raises InvalidManifest when a field that is kept has the wrong type.
    """
    return _build_metadata(image_id, config, _CONFIG_NAMES, size_bytes)


def metadata_from_wire(fields: JsonFields) -> Metadata:
    """From a `dockerImageMetadata` that a user sent or that was stored; unknown fields are dropped.

    Raises InvalidManifest like `metadata_from_config`.
    """
    return _build_metadata(fields.text("Id"), fields, _WIRE_NAMES, fields.integer("Size"))


def metadata_of_list(digest: str, imported_at: datetime) -> Metadata:
    """What a manifest list shows: its own digest and when it was imported (aware)."""
    created = {"Created": format_time(imported_at)}
    return _build_metadata(digest, JsonFields(created, "list"), _WIRE_NAMES, 0)


def format_time(moment: datetime) -> str:
    """An aware time as the API prints it: UTC, whole seconds."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def thaw(value: FrozenJson) -> JsonValue:
    """A fresh, ordinary JSON value that may be changed and encoded."""
    if isinstance(value, Mapping):
        return {key: thaw(member) for key, member in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return value


def _build_metadata(
    image_id: str, fields: JsonFields, names: Mapping[str, str], size_bytes: int
) -> Metadata:
    metadata: dict[str, FrozenJson] = {**_HEADER, "Id": image_id}
    for name, source in names.items():
        match name:
            case "Created":
                metadata[name] = _read_created(fields, source)
            case "ContainerConfig":
                metadata[name] = _read_run_config(fields.member(source))
            case "Config":
                if fields.has(source):
                    metadata[name] = _read_run_config(fields.member(source))
            case _:
                if text := fields.text(source):
                    metadata[name] = text
    if size_bytes:
        metadata["Size"] = size_bytes
    return MappingProxyType(metadata)


def _read_run_config(fields: JsonFields) -> Metadata:
    given = fields.values
    read = {name: reader(fields, name) for name, reader in _RUN_FIELDS if name in given}
    return MappingProxyType({name: value for name, value in read.items() if value})


def _read_created(fields: JsonFields, key: str) -> str | None:
    """The time in UTC and whole seconds; None when absent or the zero time."""
    if not fields.has(key):
        return None
    match = _RFC3339.fullmatch(fields.text(key))
    if match is None:
        fields.fail(key, "must be an RFC 3339 time")
    try:
        wall = datetime.fromisoformat(match["wall"]).replace(tzinfo=UTC)
        offset = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
        moment = wall + offset if match["sign"] == "-" else wall - offset
    except (ValueError, OverflowError):
        fields.fail(key, "is no time that exists")
    return None if moment == _ZERO_TIME else format_time(moment)


EMPTY_METADATA: Final[Metadata] = metadata_from_wire(JsonFields({}, "dockerImageMetadata"))
"""What an Image shows when nothing is known about it: never null (§1.5)."""
