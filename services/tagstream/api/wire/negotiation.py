"""Which form a response and a request body have: Accept and Content-Type.

Owns the media types, the `Representation` a response is written in, and 406 and 415. Writing is
`encode.py`, reading is `decode.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from tagstream.api.wire.status import (
    ApiError,
    not_acceptable,
    unsupported_body_type,
    unsupported_media_type,
)

_MAX_HEADER: Final = 8192
_CACHED_HEADER: Final = 512
_META_GROUP: Final = "meta.k8s.io"
_DISCOVERY_GROUP: Final = "apidiscovery.k8s.io"


class Encoding(StrEnum):
    """How bytes stand for an object; the value is the media type."""

    JSON = "application/json"
    YAML = "application/yaml"
    PROTOBUF = "application/vnd.kubernetes.protobuf"


class Shape(StrEnum):
    """What the client wants to see of the object; the value is the `as` parameter."""

    OBJECT = ""
    TABLE = "Table"
    PARTIAL_METADATA = "PartialObjectMetadata"
    PARTIAL_METADATA_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


class PatchType(StrEnum):
    """The four kinds of PATCH; the value is the media type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


#: What object endpoints can be transformed into.
OBJECT_SHAPES: Final = frozenset(
    {Shape.OBJECT, Shape.TABLE, Shape.PARTIAL_METADATA, Shape.PARTIAL_METADATA_LIST}
)
#: For /api and /apis.
DISCOVERY_SHAPES: Final = frozenset({Shape.OBJECT, Shape.DISCOVERY})
#: For everything that only has one form.
PLAIN_SHAPES: Final = frozenset({Shape.OBJECT})


@dataclass(frozen=True, slots=True)
class Representation:
    """How a response is written. `version` is that of the shape (`v1`, `v1beta1`, `v2`)."""

    encoding: Encoding = Encoding.JSON
    shape: Shape = Shape.OBJECT
    version: str = ""

    @property
    def content_type(self) -> str:
        """The Content-Type of an ordinary response; only discovery names its shape there."""
        if self.shape is Shape.DISCOVERY:
            return f"{self.encoding};g={_DISCOVERY_GROUP};v={self.version};as={self.shape.value}"
        return self.encoding.value

    @property
    def watch_content_type(self) -> str:
        """The Content-Type of a watch."""
        if self.encoding is Encoding.PROTOBUF:
            return f"{self.encoding};stream=watch"
        return self.encoding.value


@dataclass(frozen=True, slots=True)
class _Clause:
    media_type: str
    parameters: tuple[tuple[str, str], ...]
    quality: float

    @property
    def rank(self) -> tuple[float, bool, bool]:
        main, _, sub = self.media_type.partition("/")
        return (-self.quality, main == "*", sub == "*")


_JSON: Final = Representation()
_MEDIA_TYPES: Final = {
    "application/json": Encoding.JSON,
    "application/*": Encoding.JSON,
    "*/*": Encoding.JSON,
    "application/yaml": Encoding.YAML,
    "application/vnd.kubernetes.protobuf": Encoding.PROTOBUF,
}
_TRANSFORMS: Final = {
    (Shape.TABLE.value, _META_GROUP): (Shape.TABLE, ("v1", "v1beta1")),
    (Shape.PARTIAL_METADATA.value, _META_GROUP): (Shape.PARTIAL_METADATA, ("v1", "v1beta1")),
    (Shape.PARTIAL_METADATA_LIST.value, _META_GROUP): (
        Shape.PARTIAL_METADATA_LIST,
        ("v1", "v1beta1"),
    ),
    (Shape.DISCOVERY.value, _DISCOVERY_GROUP): (Shape.DISCOVERY, ("v2", "v2beta1")),
}
_KNOWN_PARAMETERS: Final = frozenset({"as", "g", "v", "q", "charset", "stream", "pretty"})
_BODY_TYPES: Final = {
    "application/json": Encoding.JSON,
    "application/yaml": Encoding.YAML,
    "application/vnd.kubernetes.protobuf": Encoding.PROTOBUF,
}


def negotiate(
    accept: str | None, *, shapes: frozenset[Shape] = OBJECT_SHAPES, protobuf: bool = False
) -> Representation:
    """The best form that both sides know; a missing header means JSON.

    `protobuf` says whether the resource's kind can be written as protobuf. Clauses the server
    cannot satisfy are passed over; raises 406 when none is left.
    """
    if not accept:
        return _JSON
    if len(accept) <= _CACHED_HEADER:
        chosen = _choose_cached(accept, shapes, protobuf)
    else:
        chosen = _choose(accept[:_MAX_HEADER], shapes, protobuf)
    if chosen is None:
        raise _no_choice(protobuf)
    return chosen


def parse_body_type(content_type: str | None, *, protobuf: bool = False) -> Encoding:
    """How a request body is encoded; a missing header means JSON. Raises 415."""
    media_type = _media_type(content_type or Encoding.JSON.value)
    encoding = _BODY_TYPES.get(media_type)
    if encoding is None or (encoding is Encoding.PROTOBUF and not protobuf):
        raise unsupported_body_type(_accepted(protobuf))
    return encoding


def parse_patch_type(content_type: str | None) -> PatchType:
    """Which kind of patch a PATCH body is. Raises 415."""
    try:
        return PatchType(_media_type(content_type or ""))
    except ValueError:
        raise unsupported_media_type() from None


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _no_choice(protobuf: bool) -> ApiError:
    return not_acceptable(_accepted(protobuf))


def _accepted(protobuf: bool) -> list[str]:
    types = [Encoding.JSON.value, Encoding.YAML.value]
    return [*types, Encoding.PROTOBUF.value] if protobuf else types


def _choose(accept: str, shapes: frozenset[Shape], protobuf: bool) -> Representation | None:
    for clause in sorted(_parse_clauses(accept), key=lambda item: item.rank):
        chosen = _satisfy(clause, shapes, protobuf)
        if chosen is not None:
            return chosen
    return None


_choose_cached = lru_cache(maxsize=512)(_choose)


def _parse_clauses(accept: str) -> Iterator[_Clause]:
    for text in accept.split(","):
        media_type, *rest = text.split(";")
        parameters = []
        quality = 1.0
        for parameter in rest:
            name, _, value = parameter.partition("=")
            parameters.append((name.strip().lower(), value.strip().strip('"')))
            if parameters[-1][0] == "q":
                quality = _parse_quality(parameters[-1][1])
        if quality > 0:
            yield _Clause(media_type.strip().lower(), tuple(parameters), quality)


def _parse_quality(text: str) -> float:
    """A q value from 0 to 1; what cannot be read counts as 1, as in Kubernetes."""
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0


def _satisfy(clause: _Clause, shapes: frozenset[Shape], protobuf: bool) -> Representation | None:
    encoding = _MEDIA_TYPES.get(clause.media_type)
    parameters = dict(clause.parameters)
    if encoding is None or not parameters.keys() <= _KNOWN_PARAMETERS:
        return None
    if parameters.get("stream", "watch") != "watch":
        return None
    transform = _transform(parameters)
    if transform is None or transform[0] not in shapes:
        return None
    shape, version = transform
    if encoding is Encoding.PROTOBUF and not _has_protobuf(shape, protobuf):
        return None
    return Representation(encoding, shape, version)


def _transform(parameters: dict[str, str]) -> tuple[Shape, str] | None:
    """The shape and version that the parameters ask for, None when there is no such thing."""
    wanted = parameters.get("as")
    if not wanted:
        return Shape.OBJECT, ""
    shape, versions = _TRANSFORMS.get((wanted, parameters.get("g", "")), (Shape.OBJECT, ()))
    version = parameters.get("v", "")
    return (shape, version) if version in versions else None


def _has_protobuf(shape: Shape, protobuf: bool) -> bool:
    if shape is Shape.OBJECT:
        return protobuf
    return shape in (Shape.PARTIAL_METADATA, Shape.PARTIAL_METADATA_LIST)
