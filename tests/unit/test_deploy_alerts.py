"""The alerts that are shipped ask for metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tagstream.telemetry.names import METRICS

ALERTS = Path(__file__).resolve().parents[2] / "deploy/alerts.yaml"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_asks_for_a_metric_that_is_measured() -> None:
    known = {metric.name for metric in METRICS}
    for rule in rules():
        asked = set(re.findall(r"openshift_\w+", rule["expr"]))
        assert asked
        assert asked <= known


def test_the_alerts_are_those_of_the_guide_that_can_arise_here() -> None:
    assert [(rule["alert"], rule["for"], rule["labels"]) for rule in rules()] == [
        (name, "2h", {"severity": "warning"})
        for name in (
            "SamplesRetriesMissingOnImagestreamImportFailing",
            "SamplesImagestreamImportFailing",
            "SamplesDegraded",
            "SamplesInvalidConfig",
        )
    ]
