"""Metrics are declared once and counted only as declared."""

from __future__ import annotations

import pytest

from tagstream.telemetry import metrics, names


def test_every_name_is_unique_and_says_its_unit() -> None:
    assert len({metric.name for metric in names.METRICS}) == len(names.METRICS)
    assert len({span.name for span in names.SPANS}) == len(names.SPANS)
    for metric in names.METRICS:
        assert metric.name.startswith(("tagstream_", "openshift_samples_", "image_registry_"))
        assert metric.meaning.endswith(".")
        assert (metric.kind is names.MetricKind.COUNTER) == metric.name.endswith("_total")
        assert metric.unit == "" or metric.name.endswith(f"_{metric.unit}")


def test_counting_shows_in_the_text_form() -> None:
    metrics.add(names.RELAY_PUBLISHED, stream="S")
    metrics.add(names.RELAY_PUBLISHED, 2, stream="S")
    metrics.put(names.WORKLOADS_FAILING, 7)
    metrics.shift(names.WORKLOADS_FAILING, -2)
    with metrics.timed(names.MESSAGE_DURATION, consumer="c"):
        pass
    text = metrics.render().decode()
    assert 'tagstream_relay_published_total{stream="S"} 3.0' in text
    assert f"{names.WORKLOADS_FAILING.name} 5.0" in text
    assert 'tagstream_message_duration_seconds_count{consumer="c"} 1.0' in text


def test_forgotten_series_are_gone_until_they_are_put_again() -> None:
    metrics.put(names.SAMPLES_FAILED, 1, name="ruby")
    metrics.forget(names.SAMPLES_FAILED)
    assert 'name="ruby"' not in metrics.render().decode()
    metrics.put(names.SAMPLES_FAILED, 0, name="ruby")
    assert f'{names.SAMPLES_FAILED.name}{{name="ruby"}} 0.0' in metrics.render().decode()


def test_undeclared_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        metrics.add(names.RELAY_PUBLISHED, tag="prod")


def test_a_metric_is_counted_as_its_kind() -> None:
    with pytest.raises(ValueError, match="is a gauge"):
        metrics.add(names.WORKLOADS_FAILING)
