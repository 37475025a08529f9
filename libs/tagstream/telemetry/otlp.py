"""The OpenTelemetry half of `tracing`, imported only when spans are sent somewhere.

Owns the SDK's set-up. Batches are sent by the SDK's own thread; a collector that is away costs
dropped spans, never a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tagstream.telemetry.tracing import Attribute, Span, TraceContext


class _Recorded:
    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def annotate(self, **attributes: Attribute) -> None:
        """Add attributes to the span."""
        self._span.set_attributes(attributes)


class OtlpExporter:
    """Opens OpenTelemetry spans and sends them; `exporter` replaces the network in tests."""

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: f"tagstream-{service}"})
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("tagstream")

    @contextmanager
    def span(
        self, name: str, parent: TraceContext | None, attributes: Mapping[str, Attribute]
    ) -> Iterator[tuple[Span, TraceContext]]:
        """Open a span below `parent`; an error that leaves the block is recorded on it."""
        with self._tracer.start_as_current_span(
            name, context=_remote(parent), attributes=dict(attributes)
        ) as opened:
            context = opened.get_span_context()
            yield (
                _Recorded(opened),
                TraceContext(
                    f"{context.trace_id:032x}",
                    f"{context.span_id:016x}",
                    f"{context.trace_flags:02x}",
                ),
            )

    def shutdown(self) -> None:
        """Send what is left and stop the thread."""
        self._provider.shutdown()


def _remote(parent: TraceContext | None) -> Context:
    if parent is None:
        return Context()
    # A trace that began in a process without exporter has the flag unset; it is still wanted here.
    context = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(NonRecordingSpan(context), Context())
