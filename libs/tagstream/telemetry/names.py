"""Every metric and every span there is, with its unit, meaning and allowed attributes.

Owns names only; counting is `metrics`, tracing is `tracing`. An attribute has few values: never a
stream (but those of the samples), a tag, a digest or the name of an object.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MetricKind(Enum):
    """How values of a metric add up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


FAST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SLOW_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One time series family; `unit` is the Prometheus base unit, empty for plain numbers."""

    name: str
    kind: MetricKind
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = FAST_BUCKETS


@dataclass(frozen=True, slots=True)
class SpanName:
    """One kind of traced work."""

    name: str
    meaning: str
    attributes: tuple[str, ...] = ()


HTTP_REQUESTS = Metric(
    "tagstream_http_requests_total",
    MetricKind.COUNTER,
    "",
    "Requests the api has answered.",
    ("verb", "resource", "code"),
)
HTTP_REQUEST_DURATION = Metric(
    "tagstream_http_request_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time from a request's head to the end of its answer; watches are left out.",
    ("verb", "resource"),
)
HTTP_WATCHES = Metric(
    "tagstream_http_watches",
    MetricKind.GAUGE,
    "",
    "Watch connections that are open now.",
    ("resource",),
)
JOURNAL_APPEND_DURATION = Metric(
    "tagstream_journal_append_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time a transaction waits for the journal's lock and holds it.",
)
RELAY_PUBLISHED = Metric(
    "tagstream_relay_published_total",
    MetricKind.COUNTER,
    "",
    "Facts and jobs the relay has published and the broker has stored.",
    ("stream",),
)
LEASE_HELD = Metric(
    "tagstream_lease_held",
    MetricKind.GAUGE,
    "",
    "1 while this process holds the lease, else 0.",
    ("lease",),
)
MESSAGES_HANDLED = Metric(
    "tagstream_messages_handled_total",
    MetricKind.COUNTER,
    "",
    "Messages a durable consumer has finished, by what became of them.",
    ("consumer", "outcome"),
)
MESSAGE_DURATION = Metric(
    "tagstream_message_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time a handler worked on one message.",
    ("consumer",),
)
DEAD_LETTERS = Metric(
    "tagstream_dead_letters_total",
    MetricKind.COUNTER,
    "",
    "Messages given up and kept in the table of dead letters.",
    ("consumer",),
)
REGISTRY_REQUESTS = Metric(
    "tagstream_registry_requests_total",
    MetricKind.COUNTER,
    "",
    "Requests sent to image registries, by method and HTTP status (0: no answer).",
    ("method", "code"),
)
REGISTRY_REQUEST_DURATION = Metric(
    "tagstream_registry_request_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time a registry took to answer, redirects included.",
    ("method",),
    SLOW_BUCKETS,
)
IMPORTS = Metric(
    "tagstream_imports_total",
    MetricKind.COUNTER,
    "",
    "Tags imported or failed to import.",
    ("outcome", "mode"),
)
IMPORT_DURATION = Metric(
    "tagstream_import_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time from an import request to its result.",
    ("mode",),
    SLOW_BUCKETS,
)
IMPORTS_DUE = Metric(
    "tagstream_imports_due",
    MetricKind.GAUGE,
    "",
    "Scheduled imports that are due and not yet asked for.",
)
KUBE_REQUESTS = Metric(
    "tagstream_kube_requests_total",
    MetricKind.COUNTER,
    "",
    "Requests sent to the cluster, by HTTP status (0: no answer).",
    ("verb", "code"),
)
KUBE_REQUEST_DURATION = Metric(
    "tagstream_kube_request_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time the cluster took to answer; watches are left out.",
    ("verb",),
)
TRIGGER_REACTIONS = Metric(
    "tagstream_trigger_reactions_total",
    MetricKind.COUNTER,
    "",
    "Workloads looked at because a tag or the workload changed, by what became of it.",
    ("kind", "outcome"),
)
TRIGGER_REACTION_DURATION = Metric(
    "tagstream_trigger_reaction_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time from taking up a workload to its patch being recorded.",
    ("kind",),
)
WORKLOADS_FAILING = Metric(
    "tagstream_workloads_failing",
    MetricKind.GAUGE,
    "",
    "Workloads whose last reaction failed and waits for a retry.",
)
PRUNE_RUNS = Metric(
    "tagstream_prune_runs_total",
    MetricKind.COUNTER,
    "",
    "Scheduled runs of the pruner that completed or were refused.",
    ("outcome",),
)
PRUNE_DURATION = Metric(
    "tagstream_prune_duration_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "Time of a scheduled run of the pruner.",
    (),
    SLOW_BUCKETS,
)
PRUNED = Metric(
    "tagstream_pruned_total",
    MetricKind.COUNTER,
    "",
    "Images and history items that scheduled runs have removed.",
    ("what",),
)
# From here on names and labels are OpenShift's, since its alerts and dashboards ask for them
# (spec/triggers-lookup-pruning.md D13, spec/samples-and-templates.md §12).
PRUNER_INSTALLED = Metric(
    "image_registry_operator_image_pruner_install_status",
    MetricKind.GAUGE,
    "",
    "1 while the ImagePruner is suspended, 2 while it is enabled.",
)
SAMPLES_FAILED = Metric(
    "openshift_samples_failed_imagestream_import_info",
    MetricKind.GAUGE,
    "",
    "1 for each sample stream with a tag that fails to import, else 0; none unless Managed.",
    ("name",),
)
SAMPLES_RETRIES = Metric(
    "openshift_samples_retry_imagestream_import_total",
    MetricKind.COUNTER,
    "",
    "Imports of a sample stream that were asked for again.",
    ("imagestreamname",),
)
SAMPLES_DEGRADED = Metric(
    "openshift_samples_degraded_info",
    MetricKind.GAUGE,
    "",
    "1 while the ClusterOperator openshift-samples is Degraded, else 0.",
)
SAMPLES_INVALID = Metric(
    "openshift_samples_invalidconfig_info",
    MetricKind.GAUGE,
    "",
    "1 while the samples' Config cannot be followed, else 0.",
)

HTTP_REQUEST_SPAN = SpanName("http.request", "One request to the api.", ("verb", "resource"))
MESSAGE_SPAN = SpanName("message.handle", "One message in a handler.", ("consumer", "event_id"))
FETCH_SPAN = SpanName("import.fetch", "One import talking to a registry.", ("host", "mode"))
REACTION_SPAN = SpanName(
    "trigger.react", "One workload compared with its tags.", ("kind", "namespace", "workload")
)
KUBE_SPAN = SpanName("kube.request", "One request to the cluster.", ("verb", "resource"))

METRICS: tuple[Metric, ...] = tuple(v for v in list(globals().values()) if isinstance(v, Metric))
SPANS: tuple[SpanName, ...] = tuple(v for v in list(globals().values()) if isinstance(v, SpanName))
