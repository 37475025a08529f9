"""Which lists strategic merge patches merge, by what key, for each kind.

Owns the table of patch strategies of Kubernetes' and OpenShift's types; a field that is not
listed is ordinary: maps merge, lists are replaced. The algorithm is `strategic_merge.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class MergeRule:
    """How one field is patched.

    `merge` on a list joins it with the patch: by `key` for objects, as a set for plain values
    when `key` is empty. `replace` takes the patch's value whole. `below` holds the rules of the
    object, or of each list element.
    """

    key: str = ""
    merge: bool = False
    replace: bool = False
    below: MergeSchema = field(default_factory=dict)


MergeSchema = dict[str, MergeRule]

NO_RULE: Final = MergeRule()


def _keyed(key: str, below: MergeSchema | None = None) -> MergeRule:
    return MergeRule(key=key, merge=True, below=below or {})


def _inside(**below: MergeRule) -> MergeRule:
    return MergeRule(below=below)


_REPLACED: Final = MergeRule(replace=True)
_SET: Final = MergeRule(merge=True)

OBJECT_META: Final[MergeSchema] = {"ownerReferences": _keyed("uid"), "finalizers": _SET}
_METADATA: Final = MergeRule(below=OBJECT_META)
_CONDITIONS: Final = _keyed("type")

_CONTAINER: Final[MergeSchema] = {
    "env": _keyed("name"),
    "ports": _keyed("containerPort"),
    "volumeMounts": _keyed("mountPath"),
    "volumeDevices": _keyed("devicePath"),
}
_POD_SPEC: Final[MergeSchema] = {
    "containers": _keyed("name", _CONTAINER),
    "initContainers": _keyed("name", _CONTAINER),
    "ephemeralContainers": _keyed("name", _CONTAINER),
    "volumes": _keyed("name"),
    "imagePullSecrets": _keyed("name"),
    "hostAliases": _keyed("ip"),
    "topologySpreadConstraints": _keyed("topologyKey"),
    "schedulingGates": _keyed("name"),
    "resourceClaims": _keyed("name"),
}
_TEMPLATE: Final = MergeRule(below={"metadata": _METADATA, "spec": MergeRule(below=_POD_SPEC)})
_WORKLOAD: Final[MergeSchema] = {
    "spec": _inside(template=_TEMPLATE),
    "status": _inside(conditions=_CONDITIONS),
}
_POD: Final[MergeSchema] = {
    "spec": MergeRule(below=_POD_SPEC),
    "status": _inside(conditions=_CONDITIONS, podIPs=_keyed("ip"), hostIPs=_keyed("ip")),
}
_CRON_JOB: Final[MergeSchema] = {
    "spec": _inside(jobTemplate=_inside(metadata=_METADATA, spec=_inside(template=_TEMPLATE)))
}
_IMAGE: Final[MergeSchema] = {
    "signatures": _keyed("name", {"conditions": _CONDITIONS, "metadata": _METADATA}),
    "dockerImageMetadata": _REPLACED,
}

_IMAGE_GROUP: Final = "image.openshift.io"
_SCHEMAS: Final[dict[tuple[str, str], MergeSchema]] = {
    ("", "Pod"): _POD,
    ("", "PodTemplate"): {"template": _TEMPLATE},
    ("", "ReplicationController"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "StatefulSet"): _WORKLOAD,
    ("apps.openshift.io", "DeploymentConfig"): _WORKLOAD,
    ("batch", "Job"): _WORKLOAD,
    ("batch", "CronJob"): _CRON_JOB,
    ("", "Service"): {
        "spec": _inside(ports=_keyed("port")),
        "status": _inside(conditions=_CONDITIONS),
    },
    ("", "ServiceAccount"): {"secrets": _keyed("name"), "imagePullSecrets": _keyed("name")},
    ("", "Namespace"): {"status": _inside(conditions=_CONDITIONS)},
    ("", "PersistentVolumeClaim"): {"status": _inside(conditions=_CONDITIONS)},
    ("", "Node"): {"status": _inside(conditions=_CONDITIONS, addresses=_keyed("type"))},
    (_IMAGE_GROUP, "Image"): _IMAGE,
    (_IMAGE_GROUP, "ImageSignature"): {"conditions": _CONDITIONS},
    (_IMAGE_GROUP, "ImageStream"): {
        "spec": _inside(tags=_keyed("name")),
        "status": _inside(tags=_keyed("tag")),
    },
    (_IMAGE_GROUP, "ImageStreamTag"): {"image": MergeRule(below=_IMAGE | {"metadata": _METADATA})},
}


def get_merge_schema(group: str, kind: str) -> MergeSchema:
    """The rules of a kind; of an unknown kind only metadata's."""
    return {"metadata": _METADATA, **_SCHEMAS.get((group, kind), {})}
