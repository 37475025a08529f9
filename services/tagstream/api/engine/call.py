"""One request as the verbs see it, and what they give back.

Owns the values between the HTTP edge and the verbs. Nothing here knows a socket.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field

from tagstream.api.engine.context import RequestContext
from tagstream.api.engine.routing import Entry, Target
from tagstream.api.wire.k8s_protobuf import supports
from tagstream.api.wire.negotiation import (
    PLAIN_SHAPES,
    Encoding,
    Representation,
    Shape,
    negotiate,
)
from tagstream.api.wire.status import ApiError, bad_request

ONE_SHAPES = frozenset({Shape.OBJECT, Shape.TABLE, Shape.PARTIAL_METADATA})
LIST_SHAPES = frozenset({Shape.OBJECT, Shape.TABLE, Shape.PARTIAL_METADATA_LIST})

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})
_TERMINAL_AGENTS = ("curl", "Wget", "Mozilla/5.0")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is authenticated, authorized and routed, with its body read.

    `query` holds the last value of each parameter.
    """

    ctx: RequestContext
    target: Target
    entry: Entry
    query: Mapping[str, str]
    accept: str = ""
    content_type: str = ""
    body: bytes = b""

    def representation(self, shapes: frozenset[Shape]) -> Representation:
        """How the answer is to be written. Raises 406: call it before anything is changed."""
        protobuf = self.entry.protobuf
        if self.target.subresource:
            protobuf = supports(*self.entry.type_of(self.target.subresource))
        return negotiate(self.accept, shapes=shapes, protobuf=protobuf)

    def flag(self, name: str) -> bool:
        """A boolean parameter, absent means False. Raises 400."""
        return parse_flag(self.query, name)

    @property
    def pretty(self) -> bool:
        """Indented JSON: when asked for, and for people with curl or a browser."""
        asked = self.query.get("pretty")
        if asked is None:
            return self.ctx.agent.startswith(_TERMINAL_AGENTS)
        return asked not in _FALSE


def parse_flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter, absent means False. Raises 400."""
    text = query.get(name, "")
    if text in _FALSE:
        return False
    if text in _TRUE:
        return True
    raise bad_request(f'{name}: Invalid value: "{text}": must be true or false')


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    content_type: str
    body: bytes
    warnings: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """A response that goes on: frames to be sent as they come, until they end.

    `stop` makes them end soon and in order; it may be called at any time, more than once.
    """

    content_type: str
    frames: AsyncGenerator[bytes, None]
    stop: Callable[[], None]
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


def error_encoding(accept: str) -> Encoding:
    """How to write a refusal for this Accept header: JSON unless protobuf is preferred."""
    try:
        return negotiate(_first(accept), shapes=PLAIN_SHAPES, protobuf=True).encoding
    except ApiError:
        return Encoding.JSON


def _first(accept: str) -> str:
    """Only the preferred clause counts, and only its media type: a Status has one shape."""
    return accept.partition(",")[0].partition(";")[0]
