"""The names of spec/samples-and-templates.md §1, and reading what Kubernetes objects are made of.

Pure. Owns no rule.
"""

from __future__ import annotations

from typing import Any, Final

JsonObject = dict[str, Any]

CONFIG_NAME: Final = "cluster"
SAMPLES_NAMESPACE: Final = "openshift"
OWN_NAMESPACE: Final = "openshift-cluster-samples-operator"
FINALIZER: Final = "samples.operator.openshift.io/finalizer"
MANAGED: Final = "samples.operator.openshift.io/managed"
VERSION: Final = "samples.operator.openshift.io/version"
IMPORT_ERROR: Final = "samples.openshift.io/imagestream-error"
TAG_MAP: Final = "imagestreamtag-to-image"
# Ours: what we remember on objects that the spec leaves no place for.
RETRIED_AT: Final = "samples.tagstream.dev/retried-at"
BOOTSTRAPPED: Final = "samples.tagstream.dev/bootstrapped-as"


def name_of(item: JsonObject) -> str:
    return str(metadata_of(item).get("name") or "")


def metadata_of(item: JsonObject) -> JsonObject:
    return mapping(item.get("metadata"))


def labels_of(item: JsonObject) -> JsonObject:
    return mapping(metadata_of(item).get("labels"))


def annotations_of(item: JsonObject) -> JsonObject:
    return mapping(metadata_of(item).get("annotations"))


def is_managed(item: JsonObject) -> bool:
    """Whether a stream or template carries our mark."""
    return labels_of(item).get(MANAGED) == "true"


def mapping(value: object) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[JsonObject]:
    """The objects of a list; an empty list for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list; empty for anything else."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def text(value: object) -> str:
    return value if isinstance(value, str) else ""
