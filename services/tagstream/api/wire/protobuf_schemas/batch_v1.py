"""Field tables of batch/v1: jobs and cron jobs."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.core_v1_pods import POD_TEMPLATE_SPEC
from tagstream.api.wire.protobuf_schemas.core_v1_references import OBJECT_REFERENCE
from tagstream.api.wire.protobuf_schemas.meta_v1 import LABEL_SELECTOR, OBJECT_META, list_of
from tagstream.api.wire.protobuf_schemas.model import (
    int32,
    int32s,
    message,
    optional_boolean,
    optional_int32,
    optional_int64,
    optional_string,
    optional_time,
    pointer,
    string,
    strings,
    struct,
    structs,
    time,
)

POD_FAILURE_POLICY_ON_EXIT_CODES_REQUIREMENT: Final = message(
    "PodFailurePolicyOnExitCodesRequirement",
    optional_string(1, "containerName"),
    string(2, "operator", shown=True),
    int32s(3, "values", shown=True),
)
POD_FAILURE_POLICY_ON_POD_CONDITIONS_PATTERN: Final = message(
    "PodFailurePolicyOnPodConditionsPattern",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
)
POD_FAILURE_POLICY_RULE: Final = message(
    "PodFailurePolicyRule",
    string(1, "action", shown=True),
    pointer(2, "onExitCodes", POD_FAILURE_POLICY_ON_EXIT_CODES_REQUIREMENT),
    structs(3, "onPodConditions", POD_FAILURE_POLICY_ON_POD_CONDITIONS_PATTERN),
)
POD_FAILURE_POLICY: Final = message(
    "PodFailurePolicy",
    structs(1, "rules", POD_FAILURE_POLICY_RULE, shown=True),
)
SUCCESS_POLICY_RULE: Final = message(
    "SuccessPolicyRule",
    optional_string(1, "succeededIndexes"),
    optional_int32(2, "succeededCount"),
)
SUCCESS_POLICY: Final = message(
    "SuccessPolicy",
    structs(1, "rules", SUCCESS_POLICY_RULE, shown=True),
)
JOB_SCHEDULING_CONFIGURATION: Final = message(
    "JobSchedulingConfiguration",
)
JOB_SPEC: Final = message(
    "JobSpec",
    optional_int32(1, "parallelism"),
    optional_int32(2, "completions"),
    optional_int64(3, "activeDeadlineSeconds"),
    pointer(4, "selector", LABEL_SELECTOR),
    optional_boolean(5, "manualSelector"),
    struct(6, "template", POD_TEMPLATE_SPEC),
    optional_int32(7, "backoffLimit"),
    optional_int32(8, "ttlSecondsAfterFinished"),
    optional_string(9, "completionMode"),
    optional_boolean(10, "suspend"),
    pointer(11, "podFailurePolicy", POD_FAILURE_POLICY),
    optional_int32(12, "backoffLimitPerIndex"),
    optional_int32(13, "maxFailedIndexes"),
    optional_string(14, "podReplacementPolicy"),
    optional_string(15, "managedBy"),
    pointer(16, "successPolicy", SUCCESS_POLICY),
    pointer(17, "scheduling", JOB_SCHEDULING_CONFIGURATION),
)
JOB_CONDITION: Final = message(
    "JobCondition",
    string(1, "type", shown=True),
    string(2, "status", shown=True),
    time(3, "lastProbeTime"),
    time(4, "lastTransitionTime"),
    string(5, "reason"),
    string(6, "message"),
)
UNCOUNTED_TERMINATED_PODS: Final = message(
    "UncountedTerminatedPods",
    strings(1, "succeeded"),
    strings(2, "failed"),
)
JOB_STATUS: Final = message(
    "JobStatus",
    structs(1, "conditions", JOB_CONDITION),
    optional_time(2, "startTime"),
    optional_time(3, "completionTime"),
    int32(4, "active"),
    int32(5, "succeeded"),
    int32(6, "failed"),
    string(7, "completedIndexes"),
    pointer(8, "uncountedTerminatedPods", UNCOUNTED_TERMINATED_PODS),
    optional_int32(9, "ready"),
    optional_string(10, "failedIndexes"),
    optional_int32(11, "terminating"),
)
JOB: Final = message(
    "Job",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", JOB_SPEC),
    struct(3, "status", JOB_STATUS),
)
JOB_TEMPLATE_SPEC: Final = message(
    "JobTemplateSpec",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", JOB_SPEC),
)
CRON_JOB_SPEC: Final = message(
    "CronJobSpec",
    string(1, "schedule", shown=True),
    optional_int64(2, "startingDeadlineSeconds"),
    string(3, "concurrencyPolicy"),
    optional_boolean(4, "suspend"),
    struct(5, "jobTemplate", JOB_TEMPLATE_SPEC),
    optional_int32(6, "successfulJobsHistoryLimit"),
    optional_int32(7, "failedJobsHistoryLimit"),
    optional_string(8, "timeZone"),
)
CRON_JOB_STATUS: Final = message(
    "CronJobStatus",
    structs(1, "active", OBJECT_REFERENCE),
    optional_time(4, "lastScheduleTime"),
    optional_time(5, "lastSuccessfulTime"),
)
CRON_JOB: Final = message(
    "CronJob",
    struct(1, "metadata", OBJECT_META),
    struct(2, "spec", CRON_JOB_SPEC),
    struct(3, "status", CRON_JOB_STATUS),
)

#: Kinds of the version `batch/v1`.
KINDS: Final = {
    "CronJob": CRON_JOB,
    "CronJobList": list_of(CRON_JOB),
    "Job": JOB,
    "JobList": list_of(JOB),
}
