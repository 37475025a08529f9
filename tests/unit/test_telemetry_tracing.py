"""Spans carry one trace through processes, with and without an exporter."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tagstream.telemetry import tracing
from tagstream.telemetry.names import KUBE_SPAN, REACTION_SPAN
from tagstream.telemetry.otlp import OtlpExporter

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_outside_of_a_span_there_is_no_traceparent() -> None:
    assert tracing.current_traceparent() == ""
    assert tracing.current_trace_id() == ""


def test_a_span_continues_the_trace_it_is_given() -> None:
    with tracing.span(REACTION_SPAN, PARENT, kind="Deployment"):
        trace_id, span_id = tracing.current_traceparent().split("-")[1:3]
        with tracing.span(KUBE_SPAN):
            assert tracing.current_trace_id() == trace_id
            assert tracing.current_traceparent().split("-")[2] != span_id
    assert trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert span_id != "b7ad6b7169203331"
    assert tracing.current_traceparent() == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ],
)
def test_an_unusable_traceparent_starts_a_new_trace(text: str) -> None:
    with tracing.span(KUBE_SPAN, text):
        assert tracing.parse_traceparent(tracing.current_traceparent()) is not None


async def test_concurrent_tasks_keep_their_own_spans() -> None:
    async def work() -> str:
        with tracing.span(KUBE_SPAN):
            before = tracing.current_traceparent()
            await asyncio.sleep(0)
            assert tracing.current_traceparent() == before
            return before

    seen = await asyncio.gather(*(work() for _ in range(5)))
    assert len(set(seen)) == 5


def test_an_error_leaves_the_span_and_restores_the_outer_one() -> None:
    with pytest.raises(KeyError), tracing.span(KUBE_SPAN):
        raise KeyError("x")
    assert tracing.current_traceparent() == ""


def test_with_an_exporter_spans_are_sent_below_their_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = InMemorySpanExporter()
    exporter = OtlpExporter("test", sent)
    monkeypatch.setattr(tracing, "_exporter", exporter)
    with tracing.span(REACTION_SPAN, PARENT, kind="Deployment") as opened:
        opened.annotate(workload="web")
        header = tracing.current_traceparent()
    exporter.shutdown()
    (span,) = sent.get_finished_spans()
    assert span.name == "trigger.react"
    assert dict(span.attributes or {}) == {"kind": "Deployment", "workload": "web"}
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert header.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from tagstream.telemetry import tracing;"
        "tracing.configure_tracing('x', {})();"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
