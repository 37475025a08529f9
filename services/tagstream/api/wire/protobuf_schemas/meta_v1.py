"""Field tables of meta/v1: what every object and list carries."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.model import (
    FieldSpec,
    FieldType,
    MessageSpec,
    int32,
    int64,
    message,
    optional_boolean,
    optional_int64,
    optional_string,
    optional_time,
    pointer,
    string,
    string_map,
    strings,
    struct,
    structs,
    time,
)

OWNER_REFERENCE: Final = message(
    "OwnerReference",
    string(1, "kind", shown=True),
    string(3, "name", shown=True),
    string(4, "uid", shown=True),
    string(5, "apiVersion", shown=True),
    optional_boolean(6, "controller"),
    optional_boolean(7, "blockOwnerDeletion"),
)
MANAGED_FIELDS_ENTRY: Final = message(
    "ManagedFieldsEntry",
    string(1, "manager"),
    string(2, "operation"),
    string(3, "apiVersion"),
    optional_time(4, "time"),
    string(6, "fieldsType"),
    FieldSpec(7, "fieldsV1", FieldType.FIELDS_V1),
    string(8, "subresource"),
)
OBJECT_META: Final = message(
    "ObjectMeta",
    string(1, "name"),
    string(2, "generateName"),
    string(3, "namespace"),
    string(4, "selfLink"),
    string(5, "uid"),
    string(6, "resourceVersion"),
    int64(7, "generation"),
    time(8, "creationTimestamp"),
    optional_time(9, "deletionTimestamp"),
    optional_int64(10, "deletionGracePeriodSeconds"),
    string_map(11, "labels"),
    string_map(12, "annotations"),
    structs(13, "ownerReferences", OWNER_REFERENCE),
    strings(14, "finalizers"),
    structs(17, "managedFields", MANAGED_FIELDS_ENTRY),
)
LIST_META: Final = message(
    "ListMeta",
    string(1, "selfLink"),
    string(2, "resourceVersion"),
    string(3, "continue"),
    optional_int64(4, "remainingItemCount"),
)
STATUS_CAUSE: Final = message(
    "StatusCause", string(1, "reason"), string(2, "message"), string(3, "field")
)
STATUS_DETAILS: Final = message(
    "StatusDetails",
    string(1, "name"),
    string(2, "group"),
    string(3, "kind"),
    structs(4, "causes", STATUS_CAUSE),
    int32(5, "retryAfterSeconds"),
    string(6, "uid"),
)
STATUS: Final = message(
    "Status",
    struct(1, "metadata", LIST_META),
    string(2, "status"),
    string(3, "message"),
    string(4, "reason"),
    pointer(5, "details", STATUS_DETAILS),
    int32(6, "code"),
)
PRECONDITIONS: Final = message(
    "Preconditions", optional_string(1, "uid"), optional_string(2, "resourceVersion")
)
DELETE_OPTIONS: Final = message(
    "DeleteOptions",
    optional_int64(1, "gracePeriodSeconds"),
    pointer(2, "preconditions", PRECONDITIONS),
    optional_boolean(3, "orphanDependents"),
    optional_string(4, "propagationPolicy"),
    strings(5, "dryRun"),
    optional_boolean(6, "ignoreStoreReadErrorWithClusterBreakingPotential"),
)
LABEL_SELECTOR_REQUIREMENT: Final = message(
    "LabelSelectorRequirement",
    string(1, "key", shown=True),
    string(2, "operator", shown=True),
    strings(3, "values"),
)
FIELD_SELECTOR_REQUIREMENT: Final = message(
    "FieldSelectorRequirement",
    string(1, "key", shown=True),
    string(2, "operator", shown=True),
    strings(3, "values"),
)
LABEL_SELECTOR: Final = message(
    "LabelSelector",
    string_map(1, "matchLabels"),
    structs(2, "matchExpressions", LABEL_SELECTOR_REQUIREMENT),
)
PARTIAL_OBJECT_METADATA: Final = message(
    "PartialObjectMetadata", struct(1, "metadata", OBJECT_META)
)


def list_of(item: MessageSpec) -> MessageSpec:
    """The List kind of a kind; JSON always shows `items`."""
    return message(
        f"{item.name}List",
        struct(1, "metadata", LIST_META),
        structs(2, "items", item, shown=True),
    )


#: Kinds of the version `meta.k8s.io/v1`; Status and DeleteOptions also belong to every other.
KINDS: Final = {
    "PartialObjectMetadata": PARTIAL_OBJECT_METADATA,
    "PartialObjectMetadataList": list_of(PARTIAL_OBJECT_METADATA),
}
COMMON_KINDS: Final = {"Status": STATUS, "DeleteOptions": DELETE_OPTIONS}
