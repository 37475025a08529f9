"""Traces: spans, and the W3C `traceparent` that carries a trace through HTTP, journal and bus.

Without OTEL_EXPORTER_OTLP_ENDPOINT nothing of OpenTelemetry is imported: a span is then two random
ids in a context variable, so that one trace id still joins the logs of all services. With it, the
same calls make OpenTelemetry spans, exported over OTLP/HTTP by a background thread.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol
from uuid import UUID

from tagstream.telemetry.names import SpanName

Attribute = str | int | float | bool

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# Ids need to be unique, not secret: one read of the system's randomness a process is enough.
_ids = random.Random(os.urandom(32))
os.register_at_fork(after_in_child=lambda: _ids.seed(os.urandom(32)))


class Span(Protocol):
    """A piece of work under way."""

    def annotate(self, **attributes: Attribute) -> None:
        """Add attributes that became known during the work."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The position in a trace: 32 and 16 lowercase hex digits, and the two-digit flags."""

    trace_id: str
    span_id: str
    flags: str = "00"

    def traceparent(self) -> str:
        """The W3C header value."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


class SpanExporter(Protocol):
    """What `configure_tracing` installs when there is somewhere to send spans to."""

    def span(
        self, name: str, parent: TraceContext | None, attributes: Mapping[str, Attribute]
    ) -> AbstractContextManager[tuple[Span, TraceContext]]:
        """Open a span below `parent` and say which context it made."""

    def shutdown(self) -> None:
        """Send what is left."""


class _Unrecorded:
    __slots__ = ()

    def annotate(self, **attributes: Attribute) -> None:
        """Nobody listens."""


_UNRECORDED = _Unrecorded()
_current: ContextVar[TraceContext | None] = ContextVar("tagstream_trace", default=None)
_exporter: SpanExporter | None = None


def configure_tracing(service: str, environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Set tracing up once per process; the result flushes and stops it.

    The OTLP exporter reads its own OTEL_* variables (headers, timeouts, certificates).
    """
    global _exporter
    if not environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip():
        _exporter = None
        return lambda: None
    from tagstream.telemetry.otlp import OtlpExporter

    _exporter = exporter = OtlpExporter(service)
    return exporter.shutdown


def parse_traceparent(text: str | None) -> TraceContext | None:
    """Read a header value; None if it is missing, malformed or of a version we do not know."""
    match = _TRACEPARENT.fullmatch(text.strip().lower()) if text else None
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return None
    return TraceContext(match[1], match[2], match[3])


def current_trace_id() -> str:
    """The trace id of the work under way, empty outside of any span."""
    context = _current.get()
    return context.trace_id if context else ""


def current_traceparent() -> str:
    """The header value to hand on to whoever continues this work, empty outside of any span."""
    context = _current.get()
    return context.traceparent() if context else ""


class span:
    """Trace the block, below `traceparent` if that is valid, else below the span under way.

    Works in sync and async code alike. An error that leaves the block marks the span.
    """

    __slots__ = ("_attributes", "_name", "_recorded", "_token", "_traceparent")

    def __init__(
        self, name: SpanName, traceparent: str | None = None, **attributes: Attribute
    ) -> None:
        self._name = name
        self._traceparent = traceparent
        self._attributes = attributes
        self._recorded: AbstractContextManager[tuple[Span, TraceContext]] | None = None

    def __enter__(self) -> Span:
        parent = parse_traceparent(self._traceparent) or _current.get()
        if _exporter is None:
            self._token = _current.set(_child_of(parent))
            return _UNRECORDED
        self._recorded = _exporter.span(self._name.name, parent, self._attributes)
        opened, context = self._recorded.__enter__()
        self._token = _current.set(context)
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._token)
        if self._recorded is not None:
            self._recorded.__exit__(kind, error, traceback)


def random_uuid() -> UUID:
    """A random UUID of version 4, for what must be unique but need not be unguessable."""
    return UUID(int=_ids.getrandbits(128), version=4)


def _child_of(parent: TraceContext | None) -> TraceContext:
    span_id = f"{_ids.getrandbits(64) or 1:016x}"
    if parent is None:
        return TraceContext(f"{_ids.getrandbits(128) or 1:032x}", span_id)
    return TraceContext(parent.trace_id, span_id, parent.flags)
