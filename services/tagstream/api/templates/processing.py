"""From a template to its objects: values, message, labels, objects, in that order. Pure.

Owns spec/samples-and-templates.md §15.2. The generator's randomness comes in as `draw`.
"""

from __future__ import annotations

from typing import Any

from tagstream.api.templates.generator import Draw, GeneratorError, generate_value
from tagstream.api.templates.substitution import Substitution, TooLarge, has_placeholder
from tagstream.api.wire.field_errors import FieldError, invalid_value, required_value
from tagstream.api.wire.json_types import JsonObject

# The group that a kind of OpenShift had before there were groups.
_LEGACY_GROUPS = {
    kind: f"{group}.openshift.io/v1"
    for group, kinds in {
        "apps": "DeploymentConfig DeploymentConfigRollback",
        "authorization": "ClusterRole ClusterRoleBinding Role RoleBinding RoleBindingRestriction",
        "build": "Build BuildConfig",
        "image": "Image ImageSignature ImageStream ImageStreamImage ImageStreamImport "
        "ImageStreamMapping ImageStreamTag",
        "network": "ClusterNetwork EgressNetworkPolicy HostSubnet NetNamespace",
        "oauth": "OAuthAccessToken OAuthAuthorizeToken OAuthClient OAuthClientAuthorization",
        "project": "Project ProjectRequest",
        "quota": "AppliedClusterResourceQuota ClusterResourceQuota",
        "route": "Route",
        "security": "SecurityContextConstraints",
        "template": "Template TemplateInstance",
        "user": "Group Identity User UserIdentityMapping",
    }.items()
    for kind in kinds.split()
}


def process_template(template: JsonObject, draw: Draw) -> tuple[JsonObject, list[FieldError]]:
    """The template with values resolved and objects substituted, or why it cannot be.

    All problems of the parameters are found, then all of the objects.
    """
    parameters, errors = _resolve(template.get("parameters") or [], draw)
    if errors:
        return template, errors
    substitution = Substitution({one["name"]: one.get("value", "") for one in parameters})
    try:
        return _substitute(template, parameters, substitution)
    except TooLarge as error:
        return template, [invalid_value("template.objects", "", str(error))]


def _resolve(declared: list[JsonObject], draw: Draw) -> tuple[list[JsonObject], list[FieldError]]:
    parameters: list[JsonObject] = []
    errors: list[FieldError] = []
    for index, parameter in enumerate(declared):
        path, name = f"template.parameters[{index}]", parameter.get("name", "")
        value = parameter.get("value") or ""
        if not value and parameter.get("generate"):
            try:
                value = _generate(parameter, draw)
            except GeneratorError as error:
                errors.append(invalid_value(path, name, str(error)))
                continue
        if not value and parameter.get("required"):
            errors.append(
                required_value(path, f"parameter {name} is required and must be specified")
            )
        parameters.append({**parameter, "value": value} if value else parameter)
    return parameters, errors


def _generate(parameter: JsonObject, draw: Draw) -> str:
    generator = parameter["generate"]
    if generator != "expression":
        raise GeneratorError(
            f"Unknown generator name '{generator}' for parameter {parameter.get('name', '')}"
        )
    return generate_value(parameter.get("from") or "", draw)


def _substitute(
    template: JsonObject, parameters: list[JsonObject], substitution: Substitution
) -> tuple[JsonObject, list[FieldError]]:
    labels = {
        substitution.put_into_text(key): substitution.put_into_text(value)
        for key, value in (template.get("labels") or {}).items()
    }
    objects: list[JsonObject] = []
    errors: list[FieldError] = []
    for index, one in enumerate(template.get("objects") or []):
        problem = _problem_of(one)
        if problem:
            errors.append(invalid_value(f"template.objects[{index}]", "", problem))
        else:
            objects.append(_make_object(one, labels, substitution))
    processed = {**template, "objects": objects}
    if parameters:
        processed["parameters"] = parameters
    if template.get("message"):
        processed["message"] = substitution.put_into_text(template["message"])
    if labels:
        processed["labels"] = labels
    return processed, errors


def _problem_of(one: Any) -> str:
    if not isinstance(one, dict):
        return "must be an object"
    if not isinstance(one.get("metadata") or {}, dict):
        return "its metadata must be an object"
    return "" if isinstance(one.get("kind"), str) else "must have a kind"


def _make_object(one: JsonObject, labels: JsonObject, substitution: Substitution) -> JsonObject:
    metadata = dict(one.get("metadata") or {})
    namespace = metadata.get("namespace")
    # A literal namespace would put the object elsewhere than where it was asked for.
    if not isinstance(namespace, str) or not has_placeholder(namespace):
        metadata.pop("namespace", None)
    made: JsonObject = substitution.put_into({**one, "metadata": metadata})
    if made.get("apiVersion") in ("v1", "", None) and made.get("kind") in _LEGACY_GROUPS:
        made["apiVersion"] = _LEGACY_GROUPS[made["kind"]]
    if labels:
        own = made["metadata"].get("labels")
        made["metadata"]["labels"] = (own if isinstance(own, dict) else {}) | labels
    return made
