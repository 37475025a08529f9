"""Counting: the process's own Prometheus registry, filled from the metrics declared in `names`.

Owns the registry and its text form; serving it is `health`. Every metric of `names` can be counted
at once; one that was never touched is not shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tagstream.telemetry.names import Metric, MetricKind

CONTENT_TYPE = CONTENT_TYPE_LATEST

_registry = CollectorRegistry(auto_describe=False)
# By metric name alone the whole family; with its attributes, as they were given, the one series.
_Key = tuple[object, ...]
_Family = TypeVar("_Family", Counter, Gauge, Histogram)
_counters: dict[_Key, Counter] = {}
_gauges: dict[_Key, Gauge] = {}
_histograms: dict[_Key, Histogram] = {}


def add(metric: Metric, amount: float = 1, **attributes: str) -> None:
    """Add to a counter. Raises ValueError if the attributes are not exactly the declared ones."""
    key = (metric.name, *attributes.items())
    counter = _counters.get(key)
    if counter is None:
        counter = _counters[key] = _counter(metric, attributes)
    counter.inc(amount)


def put(metric: Metric, value: float, **attributes: str) -> None:
    """Set a gauge. Raises ValueError if the attributes are not exactly the declared ones."""
    _gauge(metric, attributes).set(value)


def shift(metric: Metric, amount: float, **attributes: str) -> None:
    """Move a gauge up or down. Raises ValueError like `put`."""
    _gauge(metric, attributes).inc(amount)


def forget(metric: Metric) -> None:
    """Drop every series of a gauge that has attributes."""
    family = _gauges.get((metric.name,))
    if family is not None:
        family.clear()


def observe(metric: Metric, value: float, **attributes: str) -> None:
    """Record one value, in the metric's unit. Raises ValueError like `add`."""
    key = (metric.name, *attributes.items())
    histogram = _histograms.get(key)
    if histogram is None:
        histogram = _histograms[key] = _histogram(metric, attributes)
    histogram.observe(value)


@contextmanager
def timed(metric: Metric, **attributes: str) -> Iterator[None]:
    """Record how many seconds the block took, whether or not it raises."""
    started = time.perf_counter()
    try:
        yield
    finally:
        observe(metric, time.perf_counter() - started, **attributes)


def render() -> bytes:
    """All metrics counted so far, as Prometheus text of type `CONTENT_TYPE`."""
    return generate_latest(_registry)


def _counter(metric: Metric, attributes: dict[str, str]) -> Counter:
    return _series(_counters, Counter, MetricKind.COUNTER, metric, attributes)


def _gauge(metric: Metric, attributes: dict[str, str]) -> Gauge:
    return _series(_gauges, Gauge, MetricKind.GAUGE, metric, attributes)


def _histogram(metric: Metric, attributes: dict[str, str]) -> Histogram:
    make = partial(Histogram, buckets=metric.buckets)
    return _series(_histograms, make, MetricKind.HISTOGRAM, metric, attributes)


def _series(
    known: dict[_Key, _Family],
    make: Callable[..., _Family],
    kind: MetricKind,
    metric: Metric,
    attributes: dict[str, str],
) -> _Family:
    """One series of a metric, whose family is made when it is first used."""
    family = known.get((metric.name,))
    if family is None:
        if metric.kind is not kind:
            raise ValueError(f"{metric.name} is a {metric.kind.value}, not a {kind.value}")
        family = make(metric.name, metric.meaning, metric.attributes, registry=_registry)
        known[metric.name,] = family
    return family.labels(**attributes) if metric.attributes else family
