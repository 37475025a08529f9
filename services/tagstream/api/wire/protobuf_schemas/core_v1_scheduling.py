"""Field tables of core/v1: where a pod may run."""

from __future__ import annotations

from typing import Final

from tagstream.api.wire.protobuf_schemas.meta_v1 import LABEL_SELECTOR
from tagstream.api.wire.protobuf_schemas.model import (
    int32,
    message,
    optional_int32,
    optional_int64,
    optional_string,
    pointer,
    string,
    strings,
    struct,
    structs,
)

NODE_SELECTOR_REQUIREMENT: Final = message(
    "NodeSelectorRequirement",
    string(1, "key", shown=True),
    string(2, "operator", shown=True),
    strings(3, "values"),
)
NODE_SELECTOR_TERM: Final = message(
    "NodeSelectorTerm",
    structs(1, "matchExpressions", NODE_SELECTOR_REQUIREMENT),
    structs(2, "matchFields", NODE_SELECTOR_REQUIREMENT),
)
NODE_SELECTOR: Final = message(
    "NodeSelector",
    structs(1, "nodeSelectorTerms", NODE_SELECTOR_TERM, shown=True),
)
PREFERRED_SCHEDULING_TERM: Final = message(
    "PreferredSchedulingTerm",
    int32(1, "weight", shown=True),
    struct(2, "preference", NODE_SELECTOR_TERM),
)
NODE_AFFINITY: Final = message(
    "NodeAffinity",
    pointer(1, "requiredDuringSchedulingIgnoredDuringExecution", NODE_SELECTOR),
    structs(2, "preferredDuringSchedulingIgnoredDuringExecution", PREFERRED_SCHEDULING_TERM),
)
POD_AFFINITY_TERM: Final = message(
    "PodAffinityTerm",
    pointer(1, "labelSelector", LABEL_SELECTOR),
    strings(2, "namespaces"),
    string(3, "topologyKey", shown=True),
    pointer(4, "namespaceSelector", LABEL_SELECTOR),
    strings(5, "matchLabelKeys"),
    strings(6, "mismatchLabelKeys"),
)
WEIGHTED_POD_AFFINITY_TERM: Final = message(
    "WeightedPodAffinityTerm",
    int32(1, "weight", shown=True),
    struct(2, "podAffinityTerm", POD_AFFINITY_TERM),
)
POD_AFFINITY: Final = message(
    "PodAffinity",
    structs(1, "requiredDuringSchedulingIgnoredDuringExecution", POD_AFFINITY_TERM),
    structs(2, "preferredDuringSchedulingIgnoredDuringExecution", WEIGHTED_POD_AFFINITY_TERM),
)
POD_ANTI_AFFINITY: Final = message(
    "PodAntiAffinity",
    structs(1, "requiredDuringSchedulingIgnoredDuringExecution", POD_AFFINITY_TERM),
    structs(2, "preferredDuringSchedulingIgnoredDuringExecution", WEIGHTED_POD_AFFINITY_TERM),
)
AFFINITY: Final = message(
    "Affinity",
    pointer(1, "nodeAffinity", NODE_AFFINITY),
    pointer(2, "podAffinity", POD_AFFINITY),
    pointer(3, "podAntiAffinity", POD_ANTI_AFFINITY),
)
TOLERATION: Final = message(
    "Toleration",
    string(1, "key"),
    string(2, "operator"),
    string(3, "value"),
    string(4, "effect"),
    optional_int64(5, "tolerationSeconds"),
)
TOPOLOGY_SPREAD_CONSTRAINT: Final = message(
    "TopologySpreadConstraint",
    int32(1, "maxSkew", shown=True),
    string(2, "topologyKey", shown=True),
    string(3, "whenUnsatisfiable", shown=True),
    pointer(4, "labelSelector", LABEL_SELECTOR),
    optional_int32(5, "minDomains"),
    optional_string(6, "nodeAffinityPolicy"),
    optional_string(7, "nodeTaintsPolicy"),
    strings(8, "matchLabelKeys"),
)
