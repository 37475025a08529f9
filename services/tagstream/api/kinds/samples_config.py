"""The Config of the samples: what the samples-manager is told, and where it answers.

Owns the schema's rules (spec/samples-and-templates.md §2.1); what the values mean is the
samples-manager's matter.
"""

from __future__ import annotations

import re

from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.wire.field_errors import (
    FieldError,
    duplicate_value,
    invalid_value,
    required_value,
    too_many_values,
)
from tagstream.api.wire.json_types import JsonObject

_NAME = "cluster"
_STATES = re.compile("^(Managed|Unmanaged|Force|Removed)$")
_CHART_NAME = re.compile("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_MOST_CHARTS = 16
_LONGEST_CHART_NAME = 253


def _check_name(name: str) -> list[str]:
    # Stored under another name, it would count for nothing and stop the next start.
    return [] if name == _NAME else [f"must be '{_NAME}': only 1 samples custom resource supported"]


def _validate(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    spec = new.get("spec")
    if not isinstance(spec, dict):
        return [required_value("spec")]
    errors = []
    state = spec.get("managementState")
    if state is not None and not _STATES.fullmatch(state):
        detail = f"spec.managementState in body should match '{_STATES.pattern}'"
        errors.append(invalid_value("spec.managementState", state, detail))
    return errors + _chart_errors(spec.get("skippedHelmCharts") or [])


def _chart_errors(charts: list[str]) -> list[FieldError]:
    path = "spec.skippedHelmCharts"
    if len(charts) > _MOST_CHARTS:
        return [too_many_values(path, len(charts), _MOST_CHARTS)]
    errors = []
    for index, name in enumerate(charts):
        at = f"{path}[{index}]"
        if name in charts[:index]:
            errors.append(duplicate_value(at, name))
        if len(name) > _LONGEST_CHART_NAME or not _CHART_NAME.fullmatch(name):
            detail = f"{at} in body should match '{_CHART_NAME.pattern}' and have 1-253 characters"
            errors.append(invalid_value(at, name, detail))
    return errors


SAMPLES_CONFIGS = GenericKind(
    Kind(
        "samples.operator.openshift.io",
        "v1",
        "configs",
        "Config",
        "config",
        namespaced=False,
        subresources=(status_of("Config"),),
        schema="com.github.openshift.api.samples.v1.Config",
    ),
    Rules(
        validate=_validate,
        check_name=_check_name,
        generations=("spec",),
        subresources={"status": "status"},
    ),
)
