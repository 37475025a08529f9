"""Writes the type descriptions of Kubernetes' own kinds that the api service packages.

Input: the models of the `kubernetes` client (field names and types, never its texts) and the patch
strategies of `tagstream.api.wire.merge_keys`. Output: one definition a line, in the notation that
`tagstream.api.schemas.definitions` reads. Run after updating the client:

    python proto/generate_kubernetes_schemas.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from kubernetes.client import models

from tagstream.api.wire.merge_keys import MergeSchema, get_merge_schema

OUTPUT = Path(__file__).parent.parent / "services/tagstream/api/schemas/data/kubernetes.json"

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
#: Package, group and models of the kinds; earlier packages name the types they share with later.
ROOTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (META, "", ("V1ObjectMeta", "V1ListMeta", "V1DeleteOptions", "V1Status", "V1LabelSelector")),
    (
        "io.k8s.api.core.v1",
        "",
        (
            *("V1Namespace", "V1Secret", "V1ConfigMap", "V1ServiceAccount", "V1Pod"),
            *("V1PodTemplate", "V1ReplicationController", "CoreV1Event", "V1ObjectReference"),
            *("V1LimitRange", "V1ResourceQuota", "V1Service"),
        ),
    ),
    (
        "io.k8s.api.apps.v1",
        "apps",
        ("V1Deployment", "V1DaemonSet", "V1StatefulSet", "V1ReplicaSet", "V1ControllerRevision"),
    ),
    ("io.k8s.api.batch.v1", "batch", ("V1Job", "V1CronJob")),
    ("io.k8s.api.autoscaling.v1", "autoscaling", ("V1Scale",)),
    ("io.k8s.api.events.v1", "events.k8s.io", ("EventsV1Event",)),
    (
        "io.k8s.api.rbac.v1",
        "rbac.authorization.k8s.io",
        ("V1Role", "V1RoleBinding", "V1ClusterRole", "V1ClusterRoleBinding"),
    ),
    (
        "io.k8s.api.authentication.v1",
        "authentication.k8s.io",
        ("V1TokenReview", "AuthenticationV1TokenRequest", "V1SelfSubjectReview"),
    ),
    (
        "io.k8s.api.authorization.v1",
        "authorization.k8s.io",
        (
            *("V1SubjectAccessReview", "V1LocalSubjectAccessReview"),
            *("V1SelfSubjectAccessReview", "V1SelfSubjectRulesReview"),
        ),
    ),
)
META_MODELS = frozenset({"V1OwnerReference", "V1Condition"})

SCALARS = {
    "str": "string",
    "bool": "bool",
    "float": "float64",
    "datetime": "Time",
    "bytes": "bytes",
    "object": "IntOrString",
}
INT64 = frozenset(
    {
        *("generation", "observedGeneration", "deletionGracePeriodSeconds", "gracePeriodSeconds"),
        *("terminationGracePeriodSeconds", "activeDeadlineSeconds", "startingDeadlineSeconds"),
        *("tolerationSeconds", "runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"),
        *("expirationSeconds", "remainingItemCount", "seconds", "uid", "gid"),
    }
)
INT64_FIELDS = frozenset({("ControllerRevision", "revision")})
QUANTITY_MAPS = frozenset(
    {
        *("limits", "requests", "capacity", "allocatedResources", "overhead", "hard", "used"),
        *("default", "defaultRequest", "max", "min", "maxLimitRequestRatio"),
    }
)
QUANTITIES = frozenset({"sizeLimit", "divisor"})
OVERRIDES = {
    ("ManagedFieldsEntry", "fieldsV1"): "object",
    ("ControllerRevision", "data"): "object",
    ("Event", "eventTime"): "MicroTime",
    ("EventSeries", "lastObservedTime"): "MicroTime",
}
#: Names of Go types that a JSON form hides, for error texts.
GO_TYPES = {
    ("ObjectMeta", "uid"): "types.UID",
    ("OwnerReference", "uid"): "types.UID",
    ("Preconditions", "uid"): "types.UID",
    ("ObjectReference", "uid"): "types.UID",
    ("Container", "imagePullPolicy"): "v1.PullPolicy",
    ("PodSpec", "restartPolicy"): "v1.RestartPolicy",
    ("PodSpec", "dnsPolicy"): "v1.DNSPolicy",
    ("ContainerPort", "protocol"): "v1.Protocol",
    ("ServicePort", "protocol"): "v1.Protocol",
    ("ServiceSpec", "type"): "v1.ServiceType",
    ("Secret", "type"): "v1.SecretType",
    ("DeploymentStrategy", "type"): "v1.DeploymentStrategyType",
    ("CronJobSpec", "concurrencyPolicy"): "v1.ConcurrencyPolicy",
}
_PREFIX_RE = re.compile(r"^(Core|Events|Rbac|Authentication)?V1(?=[A-Z])")
_CONTAINER_RE = re.compile(r"^(List|Dict)\[(?:str, )?(.+)\]$")

Definitions = dict[str, dict[str, object]]


def main() -> None:
    names = {model: f"{package}.{short_name(model)}" for package, model in walk_models()}
    definitions: Definitions = {}
    for model, name in names.items():
        definitions[name] = describe(model, name, names)
    for package, group, roots in ROOTS:
        for model in roots:
            if package != META and "api_version" in getattr(models, model).openapi_types:
                kind = short_name(model)
                definitions[f"{package}.{kind}"]["kind"] = [group, "v1", kind]
                add_merge_keys(definitions, f"{package}.{kind}", get_merge_schema(group, kind))
    for kind in ("DeleteOptions", "Status"):
        definitions[f"{META}.{kind}"]["kind"] = ["", "v1", kind]
    lines = (f"{json.dumps(name)}:{pack(definitions[name])}" for name in sorted(definitions))
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def pack(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def short_name(model: str) -> str:
    return _PREFIX_RE.sub("", model)


def walk_models() -> Iterator[tuple[str, str]]:
    """Every model that the roots need, once, with the package it is first met in."""
    seen: set[str] = set()
    for package, _, roots in ROOTS:
        todo = list(roots)
        while todo:
            model = todo.pop()
            if model in seen:
                continue
            seen.add(model)
            yield META if model in META_MODELS else package, model
            todo += [found for found in used_models(model) if found not in seen]


def used_models(model: str) -> list[str]:
    types = getattr(models, model).openapi_types.values()
    words = [word for text in types for word in re.findall(r"\w+", text)]
    return [word for word in words if is_model(word)]


def is_model(word: str) -> bool:
    return hasattr(models, word) and _PREFIX_RE.match(word) is not None


def describe(model: str, name: str, names: dict[str, str]) -> dict[str, object]:
    """The definition of a model. Fields of alpha types are left out."""
    source = getattr(models, model)
    fields: dict[str, object] = {}
    required = []
    for attribute, text in sorted(source.openapi_types.items()):
        field = source.attribute_map[attribute]
        found = translate(name, field, text, names)
        if found is None:
            continue
        go_type = GO_TYPES.get((short_name(model), field))
        fields[field] = [found, "", {"go": go_type}] if go_type else found
        known = source.model_fields.get(attribute)
        if known is not None and known.is_required():
            required.append(field)
    return {"fields": fields, **({"required": required} if required else {})}


def translate(name: str, field: str, text: str, names: dict[str, str]) -> str | None:
    short = name.rpartition(".")[2]
    if (short, field) in OVERRIDES:
        return OVERRIDES[short, field]
    container = _CONTAINER_RE.match(text)
    if container:
        inner = translate(name, field, container[2], names)
        prefix = "[]" if container[1] == "List" else "map[string]"
        if prefix == "map[string]" and inner == "string" and field in QUANTITY_MAPS:
            inner = "Quantity"
        return inner and prefix + inner
    if text == "int":
        wide = field in INT64 or (short, field) in INT64_FIELDS
        return "int64" if wide else "int32"
    if text == "str" and field in QUANTITIES:
        return "Quantity"
    return SCALARS.get(text) or names.get(text)


def add_merge_keys(definitions: Definitions, name: str, schema: MergeSchema) -> None:
    """Notes the patch strategies below a kind in the definitions that they concern."""
    fields = definitions[name]["fields"]
    assert isinstance(fields, dict)
    for field, rule in schema.items():
        entry = fields.get(field)
        if entry is None:
            continue
        text, *rest = entry if isinstance(entry, list) else [entry]
        if rule.merge:
            options = {**(rest[1] if rest else {}), "merge": rule.key}
            fields[field] = [text, "", options]
        target = text.removeprefix("[]")
        if target in definitions:
            add_merge_keys(definitions, target, rule.below)


if __name__ == "__main__":
    main()
