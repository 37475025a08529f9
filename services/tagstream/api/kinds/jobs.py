"""Jobs and cron jobs of batch/v1."""

from __future__ import annotations

import re
from datetime import datetime

from tagstream.api.engine.kinds import Kind, TableFormat
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.cells import (
    AGE,
    NAME,
    age_of,
    age_since,
    cell,
    container_cells,
    name_of,
    number,
    parse_time,
    selector_cell,
    text,
)
from tagstream.api.kinds.declared import GenericKind, status_of
from tagstream.api.kinds.pod_defaults import default_template
from tagstream.api.kinds.pod_validation import (
    validate_not_negative,
    validate_template,
    validate_unchanged,
)
from tagstream.api.wire.field_errors import (
    FieldError,
    invalid_value,
    required_value,
    unsupported_value,
)
from tagstream.api.wire.json_types import JsonObject
from tagstream.api.wire.names import check_dns_subdomain
from tagstream.api.wire.table import Cell, short_age

_UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_SCHEDULE = re.compile(
    r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)|\S+( +\S+){4}"
)
# The name of a job is its cron job's, a dash and ten digits.
_CRON_NAME_MAX = 52


def _default_job(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    default_template(spec)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    for name, value in (
        ("parallelism", 1),
        ("backoffLimit", 6),
        ("completionMode", "NonIndexed"),
        ("suspend", False),
        ("podReplacementPolicy", "TerminatingOrFailed"),
    ):
        spec.setdefault(name, value)
    if not spec.get("manualSelector") and "selector" not in spec:
        _generate_selector(item)


def _generate_selector(item: JsonObject) -> None:
    metadata, spec = item["metadata"], item["spec"]
    labels = spec["template"]["metadata"].setdefault("labels", {})
    labels.update(dict.fromkeys(_UID_LABELS, metadata["uid"]))
    labels.update(dict.fromkeys(_NAME_LABELS, metadata.get("name", "")))
    spec["selector"] = {"matchLabels": {_UID_LABELS[1]: metadata["uid"]}}


def _validate_job(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    errors = _validate_job_spec(new["spec"], "spec")
    errors += validate_not_negative(new["spec"], "parallelism", "completions", "backoffLimit")
    return errors + validate_unchanged(
        new, old, "selector", "template", "completions", "completionMode"
    )


def _validate_job_spec(spec: JsonObject, path: str) -> list[FieldError]:
    template = spec.get("template") or {}
    errors = validate_template(template, f"{path}.template")
    if (template.get("spec") or {}).get("restartPolicy") == "Always":
        below = f"{path}.template.spec.restartPolicy"
        errors.append(required_value(below, 'valid values: "OnFailure", "Never"'))
    return errors


def _default_cron_job(item: JsonObject) -> None:
    spec = item.setdefault("spec", {})
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    default_template(template.setdefault("spec", {}))
    for name, value in (
        ("concurrencyPolicy", "Allow"),
        ("suspend", False),
        ("successfulJobsHistoryLimit", 3),
        ("failedJobsHistoryLimit", 1),
    ):
        spec.setdefault(name, value)


def _validate_cron_job(new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    spec, errors = new["spec"], []
    schedule, policy = spec.get("schedule", ""), spec["concurrencyPolicy"]
    if not schedule:
        errors.append(required_value("spec.schedule"))
    elif not _SCHEDULE.fullmatch(schedule.strip()):
        detail = f"expected exactly 5 fields, found {len(schedule.split())}: {schedule.split()}"
        errors.append(invalid_value("spec.schedule", schedule, detail))
    if policy not in _CONCURRENCY:
        errors.append(unsupported_value("spec.concurrencyPolicy", policy, _CONCURRENCY))
    limits = ("successfulJobsHistoryLimit", "failedJobsHistoryLimit", "startingDeadlineSeconds")
    errors += validate_not_negative(spec, *limits)
    return errors + _validate_job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def _check_cron_name(name: str) -> list[str]:
    if len(name) > _CRON_NAME_MAX:
        return [f"must be no more than {_CRON_NAME_MAX} characters"]
    return check_dns_subdomain(name)


def _job_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    spec, status = item["spec"], item.get("status") or {}
    wanted = spec.get("completions") or 1
    return (
        name_of(item),
        _job_status(item),
        f"{status.get('succeeded', 0)}/{wanted}",
        _job_duration(status, now),
        age_of(item, now),
        *container_cells(spec["template"]["spec"]),
        selector_cell(spec.get("selector")),
    )


def _job_status(item: JsonObject) -> str:
    conditions = (item.get("status") or {}).get("conditions") or []
    true = {one.get("type") for one in conditions if one.get("status") == "True"}
    for condition, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if condition in true:
            return word
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return "Suspended" if "Suspended" in true else "Running"


def _job_duration(status: JsonObject, now: datetime) -> str:
    started = parse_time(status.get("startTime"))
    if started is None:
        return ""
    return short_age((parse_time(status.get("completionTime")) or now) - started)


def _cron_job_cells(item: JsonObject, now: datetime) -> tuple[Cell, ...]:
    spec, status = item["spec"], item.get("status") or {}
    last = status.get("lastScheduleTime")
    return (
        name_of(item),
        cell(spec.get("schedule")),
        cell(spec.get("timeZone") or "<none>"),
        str(bool(spec.get("suspend"))),
        len(status.get("active") or []),
        age_since(last, now) if last else "<none>",
        age_of(item, now),
        *container_cells(spec["jobTemplate"]["spec"]["template"]["spec"]),
        "<none>",
    )


_WIDE = (text("Containers", wide=True), text("Images", wide=True), text("Selector", wide=True))

JOBS = GenericKind(
    Kind(
        "batch",
        "v1",
        "jobs",
        "Job",
        "job",
        namespaced=True,
        categories=("all",),
        subresources=(status_of("Job"),),
        table=TableFormat(
            (NAME, text("Status"), text("Completions"), text("Duration"), AGE, *_WIDE), _job_cells
        ),
        schema="io.k8s.api.batch.v1.Job",
    ),
    Rules(
        default=_default_job,
        validate=_validate_job,
        generations=("spec",),
        subresources={"status": "status"},
        initial={"status": {}},
    ),
)
CRON_JOBS = GenericKind(
    Kind(
        "batch",
        "v1",
        "cronjobs",
        "CronJob",
        "cronjob",
        namespaced=True,
        short_names=("cj",),
        categories=("all",),
        subresources=(status_of("CronJob"),),
        table=TableFormat(
            (
                NAME,
                text("Schedule"),
                text("Timezone"),
                text("Suspend"),
                number("Active"),
                text("Last Schedule"),
                AGE,
                *_WIDE,
            ),
            _cron_job_cells,
        ),
        schema="io.k8s.api.batch.v1.CronJob",
    ),
    Rules(
        default=_default_cron_job,
        validate=_validate_cron_job,
        check_name=_check_cron_name,
        generations=("spec",),
        subresources={"status": "status"},
        initial={"status": {}},
    ),
)
